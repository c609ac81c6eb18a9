"""PLY, OFF and STL files are drawn in their colours, and a mesh that no picture could show is refused."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from harness.data.rendering.meshes import load_mesh
from harness.errors import UsageError
from tests.data.rendering.mesh_files import OBJ, PLACES, UV, letters, picture, png, quarters

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

import render_views

HEAD = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
TINT = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
LIST = "property list uchar int vertex_indices\n"
WEDGE = "property list uchar float texcoord\n"


def words(*numbers):
    return " ".join(f"{number:g}" for number in numbers)


def ply(folder, vertex="", face="", rows=None, faces=(), comments="comment TextureFile tex.png\n", form="ascii"):
    """A PLY file of a square; what is handed over says what vertices and faces have besides."""
    (folder / "tex.png").write_bytes(png())
    rows = [words(*place) for place in PLACES] if rows is None else rows
    text = (f"ply\nformat {form} 1.0\n{comments}{HEAD}{vertex}element face {len(faces)}\n{LIST}{face}end_header\n"
            + "\n".join([*rows, *faces]) + "\n")
    (folder / "a.ply").write_text(text)
    return folder / "a.ply"


def wedges(*corners):
    return words(2 * len(corners), *UV[list(corners)].ravel())


TRIANGLES = [f"3 0 1 2 {wedges(0, 1, 2)}", f"3 0 2 3 {wedges(0, 2, 3)}"]


@pytest.mark.parametrize("name", ["tex.png", "TEX.png", ".\\tex.png", "my tex.png"])
def test_the_texture_that_a_comment_names(tmp_path, name):
    (tmp_path / "my tex.png").write_bytes(png())
    assert letters(ply(tmp_path, "", WEDGE, None, TRIANGLES, f"comment TextureFile {name}\n")) == "RGBW"


@pytest.mark.parametrize("shade", [255, 128])
@pytest.mark.parametrize("second", [TRIANGLES[1], "3 0 2 3 6 1 0 2 1 1 1"])  # without and with a seam between the two
def test_coordinates_of_faces_together_with_vertex_colours(tmp_path, shade, second):
    rows = [f"{words(*place)} {shade} 255 255" for place in PLACES]
    shown = quarters(ply(tmp_path, TINT, WEDGE, rows, [TRIANGLES[0], second]))
    assert shown == pytest.approx(np.array([[shade / 255, 0, 0], [0, 1, 0], [0, 0, 1], [shade / 255, 1, 1]]), abs=0.02)


def test_polygons_with_coordinates_of_their_own(tmp_path):
    assert letters(ply(tmp_path, "", WEDGE, None, [f"4 0 1 2 3 {wedges(0, 1, 2, 3)}"])) == "RGBW"


@pytest.mark.parametrize("names", [("s", "t"), ("u", "v"), ("texture_u", "texture_v")])
def test_coordinates_of_vertices(tmp_path, names):
    rows = [words(*place, *uv) for place, uv in zip(PLACES, UV, strict=True)]
    more = "".join(f"property float {name}\n" for name in names)
    assert letters(ply(tmp_path, more, "", rows, ["4 0 1 2 3"])) == "RGBW"


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_files_with_triangles_and_quadrangles(tmp_path, order):
    path = ply(tmp_path, TINT, WEDGE, [], (), form=f"binary_{'little' if order == '<' else 'big'}_endian")
    head = path.read_bytes().replace(b"element face 0", b"element face 2").strip() + b"\n"
    body = b"".join(struct.pack(order + "3f3B", *place, 255, 255, 255) for place in PLACES)
    for ring in ((0, 1, 2, 3), (0, 1, 2)):
        body += struct.pack(f"{order}B{len(ring)}i", len(ring), *ring)
        body += struct.pack(f"{order}B{2 * len(ring)}f", 2 * len(ring), *UV[list(ring)].ravel())
    path.write_bytes(head + body)
    assert letters(path) == "RGBW"
    assert len(load_mesh(path).corners) == 3


def test_several_textures_by_their_numbers(tmp_path):
    from PIL import Image

    Image.new("RGB", (4, 4), (0, 255, 0)).save(tmp_path / "green.png")
    faces = [f"{face} {number}" for face, number in zip(TRIANGLES, (0, 1), strict=True)]
    comments = "comment TextureFile tex.png\ncomment TextureFile green.png\n"
    shown = letters(ply(tmp_path, "", WEDGE + "property int texnumber\n", None, faces, comments))
    assert (shown[0], shown[3]) == ("G", "W")  # the second triangle is above to the left
    with pytest.raises(UsageError, match="a face has the texture number 1, and 1 are named"):
        load_mesh(ply(tmp_path, "", WEDGE + "property int texnumber\n", None, faces))


def test_colours_of_faces(tmp_path):
    faces = ["3 0 1 2 0 0 255", "3 0 2 3 255 0 0"]
    shown = letters(ply(tmp_path, "", TINT, None, faces, ""))
    assert (shown[0], shown[3]) == ("R", "B")


@pytest.mark.parametrize(("changes", "message"), [
    ({"comments": "comment TextureFile gone.png\n"}, "a.ply: its texture .*gone.png is missing"),
    ({"comments": "comment TextureFile a.ply\n"}, "its texture .*a.ply is unreadable: not an image"),
    ({"faces": ["3 0 1 9 " + wedges(0, 1, 2)]}, "a face names a vertex that is not among its 4"),
    ({"faces": ["3 0 1 2 " + wedges(0, 1)]}, "texcoord has not two numbers for each of its corners"),
    ({"faces": ["3 0 1 2 6 nan nan nan nan nan nan"]}, "a texture coordinate of its faces is not finite"),
    ({"rows": []}, "it ends early"),
])
def test_what_is_missing_or_broken_in_a_ply_file_is_named(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        load_mesh(ply(tmp_path, **{"face": WEDGE, "faces": TRIANGLES, **changes}))


def test_a_texture_without_coordinates_is_told(tmp_path):
    path = ply(tmp_path, faces=["4 0 1 2 3"])
    assert picture(path)[1] == ("texture tex.png is not drawn: the file has no texture coordinates",)


@pytest.mark.parametrize(("head", "tail", "face"), [
    ("COFF", " 0 255 0 255", ""), ("COFF", " 0.0 1.0 0.0 1.0", ""), ("CNOFF", " 0 0 1 0 255 0", ""),
    ("OFF", "", " 0 255 0"), ("OFF # a square", "", " 0.0 1.0 0.0"), ("OFF", " 0 255 0 255", ""),
])
def test_colours_of_off_files(tmp_path, head, tail, face):
    vertices = "".join(f"{words(*place)}{tail}\n" for place in PLACES)
    (tmp_path / "a.off").write_text(f"{head}\n4 1 0\n{vertices}4 0 1 2 3{face}\n")
    assert letters(tmp_path / "a.off") == "GGGG"


def test_colours_of_stl_files_are_told(tmp_path):
    trimesh.creation.box().export(tmp_path / "a.stl")
    assert load_mesh(tmp_path / "a.stl").notes == ()
    content = bytearray((tmp_path / "a.stl").read_bytes())
    content[84 + 48:84 + 50] = b"\x1f\x80"  # the first triangle's attribute
    (tmp_path / "a.stl").write_bytes(content)
    assert load_mesh(tmp_path / "a.stl").notes == (
        "colours in STL, which programs write each in its own way, are not drawn",)


@pytest.mark.parametrize(("text", "message"), [
    ("4OFF\n1 0 0\n1 2 3 4\n", "is of the kind 4OFF"), ("hello", "not an OFF"),
    ("OFF\n4 1 0\n0 0 0\n", "it ends early"),
])
def test_off_files_that_are_not_read(tmp_path, text, message):
    (tmp_path / "a.off").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_mesh(tmp_path / "a.off")


SHAPELESS = {
    "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n": "has no extent",
    "v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n": "has no area, every triangle is a line or a point",
    "v 5 5 5\nv 6 6 6\nv 0 1 0\nf 1 2 2\n": "has no area",
    "v 0 0 0\nv inf 0 0\nv 0 1 0\nf 1 2 3\n": "a vertex is not finite",
}


@pytest.mark.parametrize(("text", "message"), [
    *SHAPELESS.items(), ("v 0 0 0\nv 1e200 0 0\nv 0 1e200 0\nf 1 2 3\n", "has an extent of 1e\\+200"),
    (OBJ, "holds no triangle"),
])
def test_a_mesh_that_no_picture_could_show_is_refused(tmp_path, text, message):
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_mesh(tmp_path / "a.obj")


@pytest.mark.parametrize(("text", "message"), SHAPELESS.items())
def test_a_scene_that_no_picture_could_show_is_refused(tmp_path, text, message):
    rows = [[float(number) for number in line.split()[1:]] for line in text.splitlines()]
    trimesh.Trimesh(rows[:3], [[int(v) - 1 for v in rows[3]]], process=False).export(tmp_path / "a.glb")
    with pytest.raises(UsageError, match=message):
        load_mesh(tmp_path / "a.glb")


def test_a_mesh_that_covers_no_pixel_is_not_written(tmp_path, capsys):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 0 1 0\nv 0.0000001 1 0\nf 1 2 3\n")
    sizes = ["--size", "32", "--condition-size", "32"]
    assert render_views.main([str(tmp_path / "a.obj"), "--to", str(tmp_path / "out"), *sizes]) == 1
    assert f"mesh {tmp_path / 'a.obj'}: nothing of it is to be seen in 000" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.png"))


def test_what_is_not_drawn_is_told_beside_the_mesh(tmp_path, capsys):
    (tmp_path / "a.obj").write_text(OBJ + "usemtl m\nf 1 2 3 4\n")
    sizes = ["--size", "16", "--condition-size", "16"]
    assert render_views.main([str(tmp_path / "a.obj"), "--to", str(tmp_path / "out"), *sizes]) == 1
    assert "nothing of it is to be seen in 002, 005" in capsys.readouterr().err  # from its edge
    assert render_views.main([str(tmp_path / "a.obj"), "--to", str(tmp_path / "out"), *sizes, "--azimuth", "15"]) == 0
    assert "material 'm' is drawn grey: the file names no material file" in capsys.readouterr().out
