"""Users' meshes become a folder that `data: objaverse` reads."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from harness.data.rendering.meshes import apply_placement, load_mesh, normals_of, placement
from harness.data.rendering.raster import render
from harness.errors import UsageError
from harness.ops.geometry import orbit, project, zero123plus_cameras
from harness.registry import build

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import render_views

# Sides of a cube of side 2 by the world's axes, front first, and their colours.
SIDES = {(1, 0, 0): (255, 0, 0), (-1, 0, 0): (0, 255, 0), (0, 1, 0): (0, 0, 255), (0, -1, 0): (255, 255, 0),
         (0, 0, 1): (255, 0, 255), (0, 0, -1): (0, 255, 255)}
IN_FILE = {"y": lambda v: (v[1], v[2], v[0]), "z": lambda v: (v[1], -v[0], v[2]),
           "shapenet": lambda v: (-v[1], v[2], -v[0])}


SMALL = ("--size", 32, "--condition-size", 32)


def cube(up="y", size=3.0):
    """A cube whose sides have their colours in the world, as a file of that up axis has it; away from the origin."""
    mesh = trimesh.creation.box((size,) * 3)
    sides = {IN_FILE[up](axis): (*colour, 255) for axis, colour in SIDES.items()}
    mesh.visual.face_colors = [sides[tuple(np.round(normal).astype(int).tolist())] for normal in mesh.face_normals]
    mesh.apply_translation((5, -3, 2))
    return mesh


def run(*arguments):
    return render_views.main([str(argument) for argument in arguments])


def rgba(folder, view):
    return np.asarray(Image.open(folder / f"{view:03}.png")).astype(int)


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    root = tmp_path_factory.mktemp("renders")
    cube().export(root / "cube.ply")
    assert run(root / "cube.ply", "--to", root / "out", "--size", 64, "--condition-size", 96) == 0
    return root / "out"


def test_every_side_is_where_geometry_says_and_hidden_ones_are_not_seen(renders):
    cameras, half = zero123plus_cameras(0.0), 1 / 3**0.5  # the cube's corners are at distance 1
    middles = torch.tensor(list(SIDES), dtype=torch.float64) * half
    centres = 4 * cameras.directions.double()
    points = project(cameras, middles)
    seen = 0
    for view in range(6):
        image = rgba(renders / "rendering_zero123plus" / "cube", view + 1)
        for place, axis, colour in zip((64 * points[view]).long().tolist(), middles, SIDES.values(), strict=True):
            pixel = image[tuple(place)]
            facing = float((centres[view] - axis) @ axis) > 0
            right = [value > 100 for value in pixel[:3]] == [value > 100 for value in colour]
            assert right == facing, (view, colour)
            assert pixel[3] == 255
            seen += facing
    assert seen == 16  # three sides past a vertical edge, in four views; two where a side faces the camera, in two


def test_the_silhouette_is_the_projected_corners_box(renders):
    cameras = zero123plus_cameras(0.0)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) / 3**0.5
    for view, points in enumerate(64 * project(cameras, corners)):
        alpha = rgba(renders / "rendering_zero123plus" / "cube", view + 1)[..., 3]
        rows, columns = np.nonzero(alpha.any(1))[0], np.nonzero(alpha.any(0))[0]
        found = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
        assert found == pytest.approx([*points.min(0).values.tolist(), *points.max(0).values.tolist()], abs=1)
        assert set(np.unique(alpha)) > {0, 255}  # edges are smooth


def test_the_condition_view_looks_at_the_front(renders):
    image = rgba(renders / "rendering_zero123plus" / "cube", 0)
    assert image.shape == (96, 96, 4)
    assert (image[60, 48, :3] > 100).tolist() == [True, False, False]  # red, the front
    written = json.loads((renders / "rendering_zero123plus" / "cube" / "cameras.json").read_text())
    assert [view["azimuth"] for view in written["views"]] == [0, 30, 90, 150, 210, 270, 330]
    assert [view["elevation"] for view in written["views"]] == [20, 20, -10, 20, -10, 20, -10]
    expected = zero123plus_cameras(0.0).matrices
    torch.testing.assert_close(torch.tensor([view["matrix"] for view in written["views"][1:]]), expected)


@pytest.mark.parametrize("up", list(IN_FILE))
def test_every_up_axis_stands_upright(tmp_path, up):
    cube(up).export(tmp_path / "cube.ply")
    assert run(tmp_path / "cube.ply", "--to", tmp_path, *SMALL, "--up", up) == 0
    image = rgba(tmp_path / "rendering_zero123plus" / "cube", 0)
    sides = torch.tensor([[1.0, 0, 0], [0, 0, 1]]) / 3**0.5
    front, top = (32 * project(orbit([0.0], [20.0]), sides)[0]).long().tolist()
    assert (image[tuple(front)][:3] > 100).tolist() == [True, False, False]
    assert (image[tuple(top)][:3] > 100).tolist() == [True, False, True]


def test_the_renders_are_a_dataset(renders, tmp_path):
    for name in ("a", "b"):
        cube().export(tmp_path / f"{name}.glb")
    assert run(tmp_path, "--to", renders, "--size", 64, "--condition-size", 64, "--category", "more") == 0
    assert json.loads((renders / "lvis-annotations.json").read_text()) == {"own": ["cube"], "more": ["a", "b"]}
    data = build("data", "objaverse", {"root": str(renders), "side_px": 64, "held_out": 1})
    scene = data.scene("test", 0)
    assert scene.name == "objaverse/b"
    assert scene.normaliser_px.min() > 25
    assert data.survey().missing == ()


def test_what_is_there_is_not_rendered_again(renders, tmp_path, capsys):
    cube().export(tmp_path / "cube.ply")
    before = (renders / "rendering_zero123plus" / "cube" / "001.png").stat().st_mtime_ns
    assert run(tmp_path / "cube.ply", "--to", renders, "--size", 64) == 0
    assert "already there" in capsys.readouterr().out
    assert (renders / "rendering_zero123plus" / "cube" / "001.png").stat().st_mtime_ns == before


def textured(path):
    """A square that faces z, its texture red above and green, white below."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32], image[32:, :32], image[32:, 32:] = (255, 0, 0), (0, 255, 0), (255, 255, 255)
    vertices = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(image))
    if path.suffix == ".obj":
        material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(image))
    visual = trimesh.visual.TextureVisuals(uv=[[0, 0], [1, 0], [1, 1], [0, 1]], material=material)
    trimesh.Trimesh(vertices, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(path)
    return path


@pytest.mark.parametrize("name", ["square.obj", "square.glb"])
def test_textures_are_upright(tmp_path, name):
    mesh = load_mesh(textured(tmp_path / name))
    picture = render(apply_placement(mesh, *placement(mesh.corners, "sphere", "y")), FRONT, 64)
    image = picture.rgba.astype(int)
    assert (image[20, 20, :3] > 100).tolist() == [True, False, False]
    assert (image[44, 20, :3] > 100).tolist() == [False, True, False]
    assert (image[44, 44, :3] > 100).tolist() == [True, True, True]
    assert picture.depth[64, 64] == pytest.approx(4, abs=0.002)  # half a sample beside the middle


FRONT = zero123plus_cameras(-90.0).matrices[1].double().numpy() @ np.eye(4)  # from the front, 10 degrees below


def test_depth_falls_off_as_perspective_says():
    corners = np.array([[[0.5, -1, -1], [0.5, 1, -1], [-0.5, 0, 1]]], float)
    mesh = load_plain(corners, np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1]]], float))
    picture = render(mesh, FRONT, 64)
    middle = corners[0].mean(0)
    x, y, depth = FRONT @ [*middle, 1]
    row, column = int(128 * y / depth), int(128 * x / depth)
    assert picture.depth[row, column] == pytest.approx(depth, rel=0.01)
    assert picture.rgba[row // 2, column // 2, :3].std() < 12  # all colours alike at the centroid, in space


def load_plain(corners, colours):
    from harness.data.rendering.raster import Triangles

    return Triangles(corners, normals_of(corners), colours, np.zeros((len(corners), 3, 2)), np.full(len(corners), -1))


def test_edges_are_sharp_and_curves_are_smooth():
    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(3)
    sharp = normals_of(box.triangles)
    assert np.abs(sharp).max(-1) == pytest.approx(np.ones((12, 3)))
    smooth = normals_of(ball.triangles)
    assert smooth == pytest.approx(ball.triangles, abs=0.02)


@pytest.mark.parametrize(("normalise", "radius"), [("sphere", 1.0), ("cube", 3**0.5)])
def test_sizes(normalise, radius):
    mesh = cube()
    turn, shift = placement(mesh.vertices, normalise, "z")
    moved = mesh.vertices @ turn.T + shift
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.full(8, radius))
    assert np.linalg.det(turn) > 0


def test_what_leaves_the_image_is_told(tmp_path, capsys):
    cube().export(tmp_path / "cube.ply")
    assert run(tmp_path / "cube.ply", "--to", tmp_path, *SMALL, "--normalise", "cube") == 0
    assert "leaves the image in 000, 001" in capsys.readouterr().out


def spoiled(tmp_path, name):
    path = tmp_path / "meshes" / name
    path.parent.mkdir(exist_ok=True)
    if name == "lost.obj":
        textured(path)
        next(path.parent.glob("*.png")).unlink()
    elif name == "bare.obj":
        path.write_text("mtllib nowhere.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    elif name == "points.ply":
        trimesh.PointCloud(np.eye(3)).export(path)
    elif name == "flat.obj":
        path.write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    elif name == "nan.obj":
        path.write_text("v nan 1 1\nv 1 2 1\nv 1 1 3\nf 1 2 3\n")
    elif name == "torn.glb":
        cube().export(path)
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.write_text("" if name == "empty.glb" else "hello")
    return path


@pytest.mark.parametrize(("name", "message"), [
    ("lost.obj", "its texture .*png is missing"), ("bare.obj", "its material file .*nowhere.mtl is missing"),
    ("points.ply", "holds no triangle"), ("flat.obj", "no extent"), ("nan.obj", "a vertex is not finite"),
    ("torn.glb", "cannot be read"), ("empty.glb", "empty"), ("hello.glb", "cannot be read"),
    ("hello.ply", "cannot be read"), ("hello.gltf", "cannot be read"), ("hello.xyz", "cannot be read"),
])
def test_a_mesh_that_cannot_be_used_gets_one_line_and_the_others_are_rendered(tmp_path, capfd, name, message):
    import re

    path = spoiled(tmp_path, name)
    cube().export(tmp_path / "cube.ply")
    assert run(path, tmp_path / "cube.ply", "--to", tmp_path / "out", "--size", 16, "--condition-size", 16) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.fullmatch(f"skipped: mesh {re.escape(str(path))}: .*{message}.*", lines[0]), lines[0]
    assert json.loads((tmp_path / "out" / "lvis-annotations.json").read_text()) == {"own": ["cube"]}


def test_a_mesh_that_is_not_there(tmp_path, capsys):
    assert run(tmp_path / "no.obj", "--to", tmp_path) == 1
    assert capsys.readouterr().err == f"skipped: mesh {tmp_path / 'no.obj'}: missing\n"
    (tmp_path / "meshes").mkdir()
    assert run(tmp_path / "meshes", "--to", tmp_path) == 2
    assert "no mesh in it; looked for *.glb" in capsys.readouterr().err


def test_two_meshes_of_one_name_are_refused(tmp_path, capsys):
    assert run(tmp_path / "a.obj", tmp_path / "b" / "a.glb", "--to", tmp_path) == 2
    assert "its renders would be named a, as those of" in capsys.readouterr().err


def test_sizes_out_of_range_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        run(tmp_path / "a.obj", "--to", tmp_path, "--size", 3)
    assert left.value.code == 2
    assert "--size is 3; expected 16 to 4096" in capsys.readouterr().err


def test_trimesh_is_asked_for_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(UsageError, match=r"needs trimesh: pip install -e '\.\[data\]'"):
        load_mesh(tmp_path / "a.obj")
