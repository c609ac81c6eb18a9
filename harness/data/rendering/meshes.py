"""Meshes as users have them: read, turned upright, small as Zero123++ was trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.data.rendering.gltf import read_gltf
from harness.data.rendering.obj import read_obj
from harness.data.rendering.parts import Defect, Layer, Part, coats, refuse
from harness.data.rendering.plain import read_off, read_stl
from harness.data.rendering.ply import read_ply
from harness.data.rendering.raster import Floats, Triangles
from harness.data.rendering.texture import Texture
from harness.errors import UsageError

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl")
READERS = {".glb": read_gltf, ".gltf": read_gltf, ".obj": read_obj, ".ply": read_ply,
           ".off": read_off, ".stl": read_stl}
CREASE = 0.77  # cosine of 40 degrees: an edge sharper than this stays sharp
# Rows are the world's axes, z up and the front along x, in a file's: y up and the front along z (glTF), z up and the
# front along -y (Blender), y up and the front along -z (ShapeNetCore.v2).
UPRIGHT = {"y": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), "z": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
           "shapenet": np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])}


def load_mesh(path: Path) -> Triangles:
    """Return a mesh file's triangles in the file's own frame; raise UsageError naming what is wrong with it."""
    try:
        import trimesh  # noqa: F401 - one condition for all formats, though not every one needs it
    except ImportError as error:
        raise UsageError(f"mesh {path}: reading it needs trimesh: pip install -e '.[data]'") from error
    if not path.is_file() or path.stat().st_size == 0:
        raise UsageError(f"mesh {path}: {'empty' if path.is_file() else 'missing'}")
    try:
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            refuse(f"cannot be read: the suffix is {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite after that is refused
            reading = reader(path)
            parts = [part for part in reading.parts if len(part.corners)]
            if not parts:
                refuse("holds no triangle")
            corners = np.concatenate([part.corners for part in parts])
            _check(corners)
            return _joined(corners, parts, tuple(reading.notes))
    except Defect as defect:
        raise UsageError(f"mesh {path}: {defect}") from defect
    except Exception as error:  # whatever a reader stumbles over
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"mesh {path}: cannot be read: {type(error).__name__}: {reason}") from error


def _check(corners: Floats) -> None:
    """Raise Defect where triangles have no size that a picture could show."""
    if not np.isfinite(corners).all():
        refuse("a vertex is not finite")
    size = np.ptp(corners.reshape(-1, 3), axis=0).max()
    if not size > 0:
        refuse("has no extent, all vertices are one point")
    if not 1e-12 < size < 1e30:
        refuse(f"has an extent of {size:.0e}, expected 1e-12 to 1e30")
    small = (corners - corners[0, 0]) / size  # so that areas neither overflow nor vanish
    areas = np.linalg.norm(np.cross(small[:, 1] - small[:, 0], small[:, 2] - small[:, 0]), axis=1)
    if not areas.max() > 1e-12:
        refuse("has no area, every triangle is a line or a point")


def _joined(corners: Floats, parts: list[Part], notes: tuple[str, ...]) -> Triangles:
    """Return all parts' triangles together; a texture that several share is kept once."""
    textures: list[Texture] = []
    base = coats([part.base for part in parts], textures)
    glow = None
    if any(part.glow for part in parts):
        glow = coats([part.glow or Layer(np.zeros(part.corners.shape)) for part in parts], textures)
    # Smoothed within a part: parts that touch are different things.
    normals = np.concatenate([normals_of(part.corners) for part in parts])
    return Triangles(corners, normals, base.colours, base.uv, base.texture, tuple(textures), glow, notes)


def normals_of(corners: Floats) -> Floats:
    """Return a normal for each corner: smooth over its vertex's faces, the face's own where the edge is sharp."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    own = _unit_length(np.cross(b - a, c - a))
    edges = _unit_length(np.roll(corners, -1, 1) - corners)
    angles = np.arccos(np.clip(-(edges * np.roll(edges, 1, 1)).sum(-1), -1, 1))  # F 3
    _, vertex = np.unique(np.round(corners.reshape(-1, 3) / _grain(corners)), axis=0, return_inverse=True)
    vertex = vertex.reshape(-1)
    # Weighted by the corner's angle, so that it does not matter how a side is cut into triangles.
    summed: Floats = np.stack([np.bincount(vertex, (axis[:, None] * angles).ravel()) for axis in own.T], -1)
    smooth = _unit_length(summed)[vertex].reshape(corners.shape)
    soft = (smooth * own[:, None]).sum(-1, keepdims=True) > CREASE
    return np.where(soft, smooth, own[:, None])


def _unit_length(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20))


def _grain(corners: Floats) -> float:
    """Return how close two vertices must be to count as one."""
    return max(float(np.ptp(corners.reshape(-1, 3), axis=0).max()), 1e-12) * 1e-6


def placement(points: Floats, normalise: str, up: str) -> tuple[Floats, Floats]:
    """Return A (3 x 3) and b such that A p + b stands upright (z up) around the origin in Zero123++'s size.

    The middle of the upright bounding box goes to the origin. ``sphere``: the farthest point is at distance 1, as
    Zero123++ was trained (a camera at distance 4 with a field of view of 30 degrees sees a ball of 4 sin 15 = 1.035).
    ``cube``: the box's longest side is 2, as InstantMesh's fine-tuned Zero123++ was trained (its issue 5); corners of a
    thick object may then leave the image. ``none``: as the file has it.
    """
    turn = UPRIGHT[up]
    upright = points.reshape(-1, 3) @ turn.T
    if normalise == "none":
        return turn, np.zeros(3)
    low, high = upright.min(0), upright.max(0)
    middle = (low + high) / 2
    size = np.linalg.norm(upright - middle, axis=1).max() if normalise == "sphere" else (high - low).max() / 2
    if not size > 0:
        raise ValueError("an object of no extent has no size to scale")
    return turn / size, -middle / size


def apply_placement(triangles: Triangles, turn: Floats, shift: Floats) -> Triangles:
    """Return triangles moved by a placement."""
    normals = triangles.normals @ turn.T
    return replace(triangles, corners=triangles.corners @ turn.T + shift, normals=normals)
