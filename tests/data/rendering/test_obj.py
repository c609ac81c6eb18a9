"""OBJ files are drawn as their material files say, or refused by name."""

import numpy as np
import pytest
from PIL import Image

from harness.data.rendering.meshes import load_mesh
from harness.errors import UsageError
from tests.data.rendering.mesh_files import OBJ, PLACES, grey16, letters, picture, png, quarters

FACE = "f 1/1 2/2 3/3 4/4\n"


def square(folder, map_kd="map_Kd tex.png", library="mtllib a.mtl", use="usemtl m", texture="tex.png",
           material_file="a.mtl", body=OBJ + "USE\n" + FACE, kd="Kd 1 1 1", end="\n"):
    """An OBJ file of a square with its material and texture."""
    for name, content in ((texture, png()), (material_file, f"newmtl m{end}{kd}{end}{map_kd}{end}".encode())):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "a.obj").write_text(f"{library}{end}" + body.replace("USE", use).replace("\n", end))
    return folder / "a.obj"


@pytest.mark.parametrize("map_kd", [
    "map_Kd -s 1 1 1 -o 0 0 0 tex.png", "map_Kd -clamp off -blendu on -blendv off -texres 512 tex.png",
    "map_Kd -mm 0 1 -t 0 0 0 -cc off -imfchan rgb -boost 1.5 tex.png", "map_Kd -o 0 -s 1.0 tex.png",
    "map_Kd\ttex.png", "map_Kd    tex.png", "map_Kd tex.png   ", "map_Kd tex.png # diffuse", "map_Kd tex.png\t#x",
    "\tmap_Kd tex.png", "map_kd tex.png", "MAP_KD TEX.PNG", "map_Kd .\\tex.png", 'map_Kd "tex.png"', "map_Kd ./tex.png",
])
def test_statements_of_a_texture(tmp_path, map_kd):
    assert letters(square(tmp_path, map_kd)) == "RGBW"


@pytest.mark.parametrize(("map_kd", "texture"), [
    ("map_Kd my tex.png", "my tex.png"), ("map_Kd -s 1 1 1 my  tex.png # it", "my  tex.png"),
    ("map_Kd maps\\My Tex.PNG", "maps/my tex.png"), ("map_Kd tex #1.png", "tex #1.png"), ("map_Kd -s.png", "-s.png"),
    ("map_Kd stra\u00dfe.png", "stra\u00dfe.png"),
])
def test_names_of_a_texture(tmp_path, map_kd, texture):
    assert letters(square(tmp_path, map_kd, texture=texture)) == "RGBW"


def test_a_material_file_of_an_older_alphabet(tmp_path):
    path = square(tmp_path, texture="stra\u00dfe.png")
    (tmp_path / "a.mtl").write_bytes("newmtl m\nmap_Kd stra\u00dfe.png\n".encode("latin-1"))
    assert letters(path) == "RGBW"


@pytest.mark.parametrize(("options", "expected"), [
    ("-s 0.5 0.5 1", "BBBB"), ("-s 0.5 0.5 -o 0.5 0.5", "GGGG"), ("-o 0.5 0 0", "GRWB"), ("-o 0 0.5", "BWRG"),
    ("-o 0 1.5 0", "BWRG"), ("-clamp on -o 0 0.9", "RGRG"), ("-s -1 1 1 -o 1", "GRWB"),
])
def test_options_that_move_a_texture_are_applied(tmp_path, options, expected):
    assert letters(square(tmp_path, f"map_Kd {options} tex.png")) == expected


@pytest.mark.parametrize(("options", "message"), [
    ("-mm 0 2", "the option -mm 0 2 of texture tex.png of material 'm'"), ("-t 0.1 0 0", "the option -t"),
    ("-cc on", "the option -cc on"), ("-imfchan r", "the option -imfchan r"),
    ("-colorspace srgb", "option -colorspace"),
])
def test_options_that_are_not_supported_are_named(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        load_mesh(square(tmp_path, f"map_Kd {options} tex.png"))


@pytest.mark.parametrize(("library", "name"), [
    ("mtllib my mat.mtl", "my mat.mtl"), ("mtllib other.mtl a.mtl", "a.mtl"), ("mtllib a.mtl   ", "a.mtl"),
    ("mtllib\ta.mtl", "a.mtl"), ("mtllib .\\a.mtl", "a.mtl"), ("mtllib A.MTL", "a.mtl"), ("mtllib a.mtl # it", "a.mtl"),
    ("mtllib other.mtl my mat.mtl", "my mat.mtl"), ("mtllib other.mtl\nmtllib a.mtl", "a.mtl"),
    ("# mtllib no.mtl\nmtllib a.mtl", "a.mtl"), ("mtllib maps\\a.mtl", "maps/a.mtl"), ("\ufeffmtllib a.mtl", "a.mtl"),
])
def test_names_of_material_files(tmp_path, library, name):
    (tmp_path / "other.mtl").write_text("newmtl q\nKd 1 0 0\n")
    texture = "maps/tex.png" if name.startswith("maps") else "tex.png"  # beside the material file
    assert letters(square(tmp_path, library=library, material_file=name, texture=texture)) == "RGBW"


@pytest.mark.parametrize(("use", "end"), [("usemtl\tm", "\n"), ("usemtl  m  ", "\n"), ("usemtl m # it", "\n"),
                                          ("usemtl m", "\r\n")])
def test_uses_of_a_material(tmp_path, use, end):
    assert letters(square(tmp_path, use=use, end=end)) == "RGBW"


@pytest.mark.parametrize(("changes", "message"), [
    ({"map_kd": "map_Kd\tgone.png"}, r"a.obj: its texture .*gone.png is missing, named by material 'm'"),
    ({"map_kd": "map_Kd -s 1 1 1 gone.png # it"}, r"its texture .*gone.png is missing"),
    ({"map_kd": "map_Kd a.mtl"}, r"its texture .*a.mtl of material 'm' is unreadable: not an image"),
    ({"map_kd": "map_Kd -s 1 1 1"}, "a texture of material 'm' has options and no file name"),
    ({"library": "mtllib gone.mtl"}, r"its material file .*/gone.mtl is missing"),
    ({"library": "mtllib my gone.mtl"}, r"its material file .*/my gone.mtl is missing"),
    ({"library": "mtllib a.mtl gone.mtl"}, r"its material file .*/gone.mtl is missing"),
    ({"use": "usemtl other"}, "material 'other' is in none of its material files"),
    ({"kd": "Kd spectral a.rfl", "map_kd": ""}, "Kd spectral of material 'm' is not supported"),
    ({"kd": "Kd red", "map_kd": ""}, "Kd of material 'm' is 'red', expected r g b"),
    ({"use": "usemap m"}, "the statement usemap is not supported"),
    ({"body": OBJ + "f 1 2 9\n"}, "a face names a vertex that is not among its 4"),
    ({"body": OBJ + "f 1/1 2/2 3/9\n"}, r"a face names a texture coordinate \(vt\) that is not among its 4"),
    ({"body": OBJ.replace("vt 0.0", "vt nan") + "usemtl m\n" + FACE}, "coordinate of material 'm' is not finite"),
])
def test_what_is_missing_or_not_supported_is_named_in_a_line(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_mesh(square(tmp_path, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["m # the only one", "m\t"])
def test_names_of_a_material(tmp_path, name):
    path = square(tmp_path)
    (tmp_path / "a.mtl").write_text(f"newmtl {name}\nmap_Kd tex.png\n")
    assert letters(path) == "RGBW"


def test_a_colour_that_is_not_a_number_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a colour is not finite"):
        load_mesh(square(tmp_path, body=OBJ.replace("v -1.0 -1.0 0.0", "v -1 -1 0 nan 0 0", 1) + FACE))


def test_a_texture_of_a_material_that_no_face_has_is_not_asked_for(tmp_path):
    assert letters(square(tmp_path, map_kd="map_Kd tex.png\nnewmtl q\nmap_Kd gone.png")) == "RGBW"


def test_textures_of_16_bits_keep_their_greys(tmp_path):
    path = square(tmp_path)
    (tmp_path / "tex.png").write_bytes(grey16(0.25))
    assert quarters(path) == pytest.approx(np.full((4, 3), 0.25), abs=0.02)


@pytest.mark.parametrize("use", ["", "usemtl None", "usemtl (null)"])
def test_faces_without_a_material_are_grey(tmp_path, use):
    assert quarters(square(tmp_path, use=use)) == pytest.approx(np.full((4, 3), 0.7), abs=0.02)


def test_a_material_without_any_material_file_is_grey_and_told(tmp_path):
    path = square(tmp_path, library="")
    assert quarters(path) == pytest.approx(np.full((4, 3), 0.7), abs=0.02)
    assert picture(path)[1] == ("material 'm' is drawn grey: the file names no material file (mtllib)",)


def test_vertex_colours_multiply_the_colour_and_the_texture(tmp_path):
    tinted = "".join(f"v {x} {y} {z} 0.6 0.4 0.2\n" for x, y, z in PLACES) + OBJ[OBJ.index("vt"):] + "USE\n" + FACE
    path = square(tmp_path, "", body=tinted, kd="Kd 0.5 1 1")
    assert quarters(path) == pytest.approx(np.tile([0.3, 0.4, 0.2], (4, 1)), abs=0.02)
    path = square(tmp_path, body=tinted)
    assert quarters(path) == pytest.approx(np.array([[0.6, 0, 0], [0, 0.4, 0], [0, 0, 0.2], [0.6, 0.4, 0.2]]), abs=0.02)
    path = square(tmp_path, body=tinted.replace("0.6 0.4 0.2", "153 102 51"), use="")
    assert quarters(path) == pytest.approx(np.tile([0.6, 0.4, 0.2], (4, 1)), abs=0.02)


def test_faces_without_texture_coordinates_have_the_colour_and_it_is_told(tmp_path):
    path = square(tmp_path, body=OBJ + "USE\nf 1 2 4\nf 2/2 3/3 4/4\n", kd="Kd 0 1 0")
    assert letters(path)[2] == "G"
    assert letters(path)[1] == "G"
    assert picture(path)[1] == ("1 triangles of material 'm' have no texture coordinates, drawn without its texture",)


def test_faces_that_count_back_from_what_stands_above(tmp_path):
    body = OBJ + "USE\nf -4/-4 -3/-3 -2/-2 -1/-1\nv 0 0 0\nvt 0 0\n"
    assert letters(square(tmp_path, body=body)) == "RGBW"


def test_statements_that_go_on_in_the_next_line(tmp_path):
    assert letters(square(tmp_path, body=OBJ + "USE\nf 1/1 2/2 \\\n3/3 4/4\n")) == "RGBW"


def test_light_that_a_material_sends_out_is_added(tmp_path):
    shown, _ = picture(square(tmp_path, "Ke 0.2 0.4 0", kd="Kd 0 0 0"))
    assert shown[20, 20].tolist() == [51, 102, 0, 255]
    shown, _ = picture(square(tmp_path, "map_Ke tex.png", kd="Kd 0 0 0"))
    assert [shown[20, 20].tolist(), shown[44, 44].tolist()] == [[255, 0, 0, 255], [255] * 4]


@pytest.mark.parametrize(("line", "words"), [("d 0.5", "d 0.5"), ("Tr 0.25", "Tr 0.25"), ("d -halo 0.5", "d 0.5")])
def test_transparency_is_told_and_drawn_opaque(tmp_path, line, words):
    path = square(tmp_path, f"map_Kd tex.png\n{line}")
    assert picture(path)[1] == (f"material 'm' is transparent ({words}), drawn opaque",)
    assert letters(path) == "RGBW"


def test_a_map_of_transparency_is_told(tmp_path):
    path = square(tmp_path, "map_Kd tex.png\nmap_d gone.png\nd 1.0\nTr 0.0")
    assert picture(path)[1] == ("material 'm' has a map of transparency (map_d), drawn opaque",)


def test_materials_share_the_levels_of_one_image(tmp_path):
    body = OBJ + "".join(f"usemtl m{n}\n{FACE}" for n in range(8))
    more = "".join(f"\nnewmtl m{n}\nmap_Kd {'tex' if n % 2 else 'copy'}.png" for n in range(8))
    (tmp_path / "copy.png").write_bytes(png())
    assert len(load_mesh(square(tmp_path, "map_Kd tex.png" + more, body=body)).textures) == 1


def test_a_palette_image_keeps_its_colours(tmp_path):
    path = square(tmp_path)
    Image.open(tmp_path / "tex.png").convert("P").save(tmp_path / "tex.png")
    assert letters(path) == "RGBW"
