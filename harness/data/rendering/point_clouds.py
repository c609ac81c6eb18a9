"""Coloured point clouds as surfaces: read PCD files, and close the gaps with a small cone around each point."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.rendering.raster import Floats, Triangles
from harness.errors import UsageError

NEIGHBOURS = 16  # points that a point's plane is fitted to; their planes are averaged
REACHED = 4  # a cone extends to this neighbour: with scattered points, one place in 50 stays uncovered
SLOPE = 1.0  # of a cone around the axis to the camera: two points side by side show a half each
SIDES = 6
CLOSED = 2.0  # largest circumradius of a triangle that closes the surface, in median distances of that neighbour


@dataclass(frozen=True)
class Cloud:
    """N points in the file's frame, their colours in [0, 1], and planes and sizes of the surface around them."""

    points: Floats  # N 3
    colours: Floats  # N 3
    normals: Floats  # N 3, sign arbitrary
    radii: Floats  # N


def read_pcd(path: Path) -> tuple[Floats, Floats]:
    """Return points (N 3) and colours (N 3) in [0, 1] of an ASCII PCD file; raise UsageError naming the problem.

    ``rgb`` is red * 65536 + green * 256 + blue as an integer, or these bits as a float if its TYPE is F; without it all
    points are grey. Source: the Point Cloud Library's file format, version 0.7.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise UsageError(f"point cloud {path}: {'missing' if not path.exists() else error.strerror}") from error
    head, separator, body = text.partition("\nDATA ascii")
    header = {line.split()[0]: line.split()[1:] for line in head.splitlines() if line.strip()}
    fields = header.get("FIELDS", [])
    if not separator or not {"x", "y", "z"} <= set(fields):
        raise UsageError(f"point cloud {path}: {'empty' if not text else 'no PCD file with x, y, z and DATA ascii'}")
    try:
        table = np.array(body.split(), dtype=np.float64).reshape(-1, len(fields))
    except ValueError as error:
        raise UsageError(f"point cloud {path}: a row does not hold {len(fields)} numbers") from error
    declared = header.get("POINTS", [str(len(table))])[0]
    if str(len(table)) != declared or len(table) <= NEIGHBOURS:
        raise UsageError(f"point cloud {path}: {len(table)} points of {declared}; more than {NEIGHBOURS} are needed")
    columns = {name: table[:, index] for index, name in enumerate(fields)}
    points = np.stack([columns[axis] for axis in "xyz"], -1)
    finite = np.isfinite(points).all()
    if not finite or not np.ptp(points, axis=0).any():
        raise UsageError(f"point cloud {path}: {'all points are one' if finite else 'a point is not finite'}")
    if "rgb" not in columns:
        return points, np.full_like(points, 0.7)
    packed = columns["rgb"].astype(np.int64)
    if dict(zip(fields, header.get("TYPE", []), strict=False)).get("rgb") == "F":
        packed = columns["rgb"].astype(np.float32).view(np.int32).astype(np.int64)
    return points, np.stack([packed >> shift & 255 for shift in (16, 8, 0)], -1) / 255


def surface(points: Floats, colours: Floats) -> Cloud:
    """Return a cloud with the plane through each point's nearest neighbours, and the radius of the gap around it."""
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(points).query(points, k=NEIGHBOURS + 1)
    around = points[nearest] - points[nearest].mean(1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))[1][..., 0]
    # The sign of a normal is arbitrary, so the tensors of the planes are averaged.
    tensors = np.einsum("nki,nkj->nij", normals[nearest], normals[nearest])
    normals = np.linalg.eigh(tensors)[1][..., 2]
    typical = float(np.median(distances[:, REACHED]))
    return Cloud(points, colours, normals, distances[:, REACHED].clip(typical / 2, typical * 1.5))


def closed_surface(points: Floats) -> Floats:
    """Return triangles (F 3 3) that close the surface from which a cloud's points (N 3) were taken.

    They are the triangles of the cloud's Delaunay tetrahedra whose circumcircle is small, as in alpha shapes: bounded
    by the distance between points, which is the least thickness and gap that a cloud can tell.
    Source: Edelsbrunner and Muecke, Three-dimensional alpha shapes, ACM Transactions on Graphics 1994.
    """
    from scipy.spatial import Delaunay, QhullError, cKDTree

    try:
        tetrahedra = Delaunay(points).simplices
    except QhullError:  # all points in one plane
        tetrahedra = Delaunay(points, qhull_options="QJ").simplices
    corners = np.concatenate([np.delete(tetrahedra, i, 1) for i in range(4)])
    faces = points[np.unique(np.sort(corners, 1), axis=0)]
    a, b, c = (np.linalg.norm(faces[:, i] - faces[:, i - 1], axis=1) for i in range(3))
    doubled = np.linalg.norm(np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]), axis=1)
    distances = cKDTree(points).query(points, k=REACHED + 1)[0]
    return np.asarray(faces[a * b * c < 2 * doubled * CLOSED * np.median(distances[:, REACHED])])


def cones(cloud: Cloud, turn: Floats, shift: Floats, camera: Floats) -> Triangles:
    """Return a cone on each placed point, its tip towards the camera, shaded like the surface around the point."""
    points, scale = cloud.points @ turn.T + shift, float(np.linalg.norm(turn[0]))
    radii, normals = cloud.radii * scale, cloud.normals @ turn.T / scale
    normals = normals * np.where(((camera - points) * normals).sum(1) < 0, -1, 1)[:, None]
    axes = camera - points
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    first = np.cross(axes, np.eye(3)[np.abs(axes).argmin(1)])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(axes, first)
    angles = 2 * np.pi * np.arange(SIDES) / SIDES
    rim = (points - SLOPE * radii[:, None] * axes)[:, None] + radii[:, None, None] * (
        np.cos(angles)[:, None] * first[:, None] + np.sin(angles)[:, None] * second[:, None])  # N SIDES 3
    tips = np.repeat(points[:, None], SIDES, 1)
    corners = np.stack([tips, rim, np.roll(rim, -1, 1)], 2).reshape(-1, 3, 3)

    def per_corner(values: Floats) -> Floats:
        return np.broadcast_to(values[:, None, None], (len(points), SIDES, 3, 3)).reshape(-1, 3, 3)

    faces = len(corners)
    uv, texture = np.zeros((faces, 3, 2)), np.full(faces, -1)
    return Triangles(corners, per_corner(normals), per_corner(cloud.colours), uv, texture)
