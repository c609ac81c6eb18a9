"""Which points of a cloud of 2048 a camera sees, against rays cast into the mesh that the cloud was taken from."""

import numpy as np
import pytest
import trimesh

from harness.data.rendering.keypointnet_shapes import TOLERANCE, shows
from harness.data.rendering.meshes import placement
from harness.data.rendering.point_clouds import closed_surface
from harness.data.rendering.raster import first_depths
from harness.ops.geometry import zero123plus_cameras


def box(centre, size):
    return trimesh.creation.box(extents=size, transform=trimesh.transformations.translation_matrix(centre))


def chair(leg, sheet, slats=0):
    """A chair, y up: legs ``2 * leg`` wide, seat and back ``2 * sheet`` thick; most of its keypoints are corners."""
    x = 0.25 - leg
    parts = [box((0, 0, 0), (0.5, 2 * sheet, 0.5)),
             *(box((a * x, -0.25, b * x), (2 * leg, 0.5, 2 * leg)) for a in (-1, 1) for b in (-1, 1))]
    if slats:
        parts += [box((place, 0.3, 0.23), (0.03, 0.6, 2 * sheet)) for place in np.linspace(-0.22, 0.22, slats)]
        parts.append(box((0, 0.6, 0.23), (0.5, 0.06, 2 * sheet)))
    else:
        parts.append(box((0, 0.3, 0.23), (0.5, 0.6, 2 * sheet)))
    corners = [(a * 0.25, y, b * 0.25) for a in (-1, 1) for b in (-1, 1) for y in (-0.5, sheet)]
    corners += [(a * 0.25, 0.6, 0.23 + b * sheet) for a in (-1, 1) for b in (-1, 1)]
    return trimesh.util.concatenate(parts), [*corners, (0, sheet, 0), (0, 0.3, 0.23 - sheet)]


def airplane():
    body = trimesh.creation.icosphere(subdivisions=3).apply_scale((0.08, 0.08, 0.6))
    parts = [body, box((0, 0, 0), (1.2, 0.015, 0.18)), box((0, 0.02, 0.5), (0.4, 0.012, 0.1)),
             box((0, 0.1, 0.5), (0.012, 0.2, 0.1))]
    tips = [(a * 0.6, 0, b * 0.09) for a in (-1, 1) for b in (-1, 1)]
    return trimesh.util.concatenate(parts), [*tips, (0, 0, -0.6), (0.2, 0.02, 0.5), (-0.2, 0.02, 0.5), (0, 0.2, 0.5)]


def mug():
    wall = trimesh.creation.annulus(r_min=0.28, r_max=0.3, height=0.7, sections=32)
    wall.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    base = trimesh.creation.cylinder(radius=0.3, segment=[(0, -0.35, 0), (0, -0.33, 0)], sections=32)
    rim = [(0.3, y, 0) for y in (-0.35, 0.35)] + [(0, y, -0.3) for y in (-0.35, 0.35)]
    return trimesh.util.concatenate([wall, base]), [*rim, (-0.3, 0.35, 0), (0, -0.33, 0)]


def ball():
    return trimesh.creation.icosphere(subdivisions=3, radius=0.5), [*np.eye(3) / 2, *-np.eye(3) / 2]


SHAPES = {"chair": chair(0.02, 0.02), "thin chair": chair(0.01, 0.006), "slats": chair(0.015, 0.008, 5),
          "airplane": airplane(), "mug": mug(), "ball": ball()}


def cast(corners, camera, points):
    """Depths of the first of all triangles on the rays through points, in distances of the points; inf for none."""
    ab, ac, out = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], []
    for ray in points - camera:  # Moeller and Trumbore
        across = np.cross(ray, ac)
        determinant = (ab * across).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = ((camera - corners[:, 0]) * across).sum(1) / determinant
            over = np.cross(camera - corners[:, 0], ab)
            v, t = over @ ray / determinant, (ac * over).sum(1) / determinant
        met = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 0)
        out.append(t[met].min() if met.any() else np.inf)
    return np.array(out)


def agreement(mesh, labels, judge):
    """Shares of keypoints and of all points whose visibility in twelve views is as the mesh's rays say."""
    points = np.asarray(trimesh.sample.sample_surface(mesh, 2048, seed=0)[0])
    turn, shift = placement(points, "sphere", "shapenet")
    placed, corners = points @ turn.T + shift, np.asarray(mesh.triangles) @ turn.T + shift
    nearest = [int(np.linalg.norm(points - label, axis=1).argmin()) for label in labels]
    rows, hidden_by, right = [*nearest, *range(0, 2048, 32)], judge(placed, corners), []
    for azimuth in (20.0, 170.0):
        for matrix in zero123plus_cameras(azimuth).matrices.double().numpy():
            camera = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
            depth = placed[rows] @ matrix[2, :3] + matrix[2, 3]
            truth = depth <= cast(corners, camera, placed[rows]) * depth + TOLERANCE
            inside = np.full((len(rows), 2), 0.5)
            right.append(shows(hidden_by, matrix, placed[rows], inside) == truth)
    return np.mean(right, 0)[:len(nearest)].mean(), np.mean(right, 0)[len(nearest):].mean()


def test_a_cloud_is_right_for_most_points_of_thin_shapes_too():
    shares = {name: agreement(*shape, lambda points, corners: closed_surface(points)) for name, shape in SHAPES.items()}
    keypoints, points = np.mean(list(shares.values()), 0)
    assert points > 0.94  # of the hull of the flipped cloud 0.91
    assert min(share for _, share in shares.values()) > 0.9
    assert keypoints > 0.88
    assert min(share for share, _ in shares.values()) > 0.8


@pytest.mark.parametrize("name", SHAPES)
def test_a_mesh_is_right_for_all_points(name):
    assert agreement(*SHAPES[name], lambda points, corners: corners) == (1, 1)


def test_depths_are_exact_between_and_at_the_border_of_triangles():
    square = np.array([[[-1.0, -1, 0], [1, -1, 0], [1, 1, 0]], [[-1, -1, 0], [1, 1, 0], [-1, 1, 0]]])
    matrix = np.hstack([np.eye(3), [[0], [0], [4.0]]])  # looks along z from (0, 0, -4)
    points = np.array([[0, 0, 1.0], [0.5, -0.25, 0], [1, 1, 0], [1.01, 1, 0]])
    assert first_depths(square, matrix, points).tolist() == pytest.approx([4, 4, 4, np.inf])


def test_a_flat_cloud_is_closed():
    grid = np.stack([*np.meshgrid(np.arange(8.0), np.arange(8.0)), np.zeros((8, 8))], -1).reshape(-1, 3)
    assert closed_surface(grid)[..., 2] == pytest.approx(0)
    assert len(closed_surface(grid)) >= 98
