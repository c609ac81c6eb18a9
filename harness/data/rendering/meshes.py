"""Mesh files: read with trimesh, rotate upright, scale as in Zero123++'s training."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from harness.data.rendering.raster import Floats, Triangles, pyramid
from harness.errors import UsageError

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl")
CREASE = 0.77  # cosine of 40 degrees: sharper edges are not smoothed
# Rows are the world's axes (z up, front along x) in those of a file: y up, front along z (glTF); z up, front along -y
# (Blender); y up, front along -z (ShapeNetCore.v2).
UPRIGHT = {"y": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), "z": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
           "shapenet": np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])}


def load_mesh(path: Path) -> Triangles:
    """Return a mesh file's triangles in the file's own frame; raise UsageError naming the problem."""
    try:
        import trimesh
    except ImportError as error:
        raise UsageError(f"mesh {path}: reading it needs trimesh: pip install 'harness[data]'") from error
    if not path.is_file() or path.stat().st_size == 0:
        raise UsageError(f"mesh {path}: {'empty' if path.is_file() else 'missing'}")
    for texture in textures_of(path):
        if not texture.is_file():
            raise UsageError(f"mesh {path}: its texture {texture} is missing")
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # its warnings are checked here
    try:
        scene = trimesh.load_scene(path, process=False)
        parts = [_part(mesh) for mesh in scene.dump() if getattr(mesh, "faces", None) is not None and len(mesh.faces)]
    except Exception as error:  # loaders raise all kinds of exceptions
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"mesh {path}: cannot be read: {reason}") from error
    if not parts:
        raise UsageError(f"mesh {path}: holds no triangle")
    whole = _joined(parts)
    if not np.isfinite(whole.corners).all():
        raise UsageError(f"mesh {path}: a vertex is not finite")
    if not np.ptp(whole.corners.reshape(-1, 3), axis=0).any():
        raise UsageError(f"mesh {path}: has no extent, all vertices are one point")
    return whole


def textures_of(path: Path) -> list[Path]:
    """Return the image files that a mesh file refers to; they may be missing."""
    names: list[str] = []
    if path.suffix.lower() == ".obj":
        for library in _words(path, "mtllib"):
            material = path.parent / library
            if not material.is_file():
                return [material]
            names += [name.split()[-1] if name.startswith("-") else name for name in _words(material, "map_Kd")]
    elif path.suffix.lower() == ".gltf":
        try:
            images = json.loads(path.read_text()).get("images", [])
        except (ValueError, AttributeError) as error:
            raise UsageError(f"mesh {path}: cannot be read: {error}") from error
        names = [unquote(image["uri"]) for image in images if not image.get("uri", "data:").startswith("data:")]
    return [path.parent / name.replace("\\", "/") for name in names]


def _words(path: Path, key: str) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    return [line.strip()[len(key):].strip() for line in lines if line.strip().startswith(f"{key} ")]


def _part(mesh: Any) -> Triangles:
    """Return one trimesh mesh's triangles, its transform applied."""
    faces, kind = np.asarray(mesh.faces), mesh.visual.kind
    corners = np.asarray(mesh.vertices, dtype=np.float64)[faces]
    colours, uv = np.full((len(faces), 3, 3), 0.7), np.zeros((len(faces), 3, 2))
    levels: tuple[tuple[Floats, ...], ...] = ()
    if kind == "texture":
        colour, image = _material(mesh.visual.material)
        colours[:] = colour
        if image is not None and mesh.visual.uv is not None:
            uv, levels = np.asarray(mesh.visual.uv, dtype=np.float64)[faces], (pyramid(image),)
        if "color" in mesh.vertex_attributes:  # glTF: multiplied with the material
            colours *= _unit(mesh.vertex_attributes["color"])[faces]
    elif kind == "vertex":
        colours = _unit(mesh.visual.vertex_colors)[faces]
    elif kind == "face":
        colours = np.repeat(_unit(mesh.visual.face_colors)[:, None], 3, 1)
    return Triangles(corners, normals_of(corners), colours, uv, np.full(len(faces), 0 if levels else -1), levels)


def _material(material: Any) -> tuple[Floats, Floats | None]:
    """Return a material's colour in [0, 1] and its texture (h w 3), None without one."""
    simple = hasattr(material, "diffuse")
    image = getattr(material, "image" if simple else "baseColorTexture", None)
    colour = material.diffuse if simple else material.baseColorFactor
    if image is not None:
        image = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
        colour = None if simple else colour  # beside a texture exporters write an arbitrary grey
    return np.ones(3) if colour is None else _unit(colour), image


def _unit(colours: Any) -> Floats:
    """Return the first three channels of colours in [0, 1]."""
    values = np.asarray(colours)
    scale = 255.0 if values.dtype.kind in "ui" else 1.0
    return np.asarray(values[..., :3] / scale, dtype=np.float64).clip(0, 1)


def normals_of(corners: Floats) -> Floats:
    """Return a normal for each corner: the mean over its vertex's faces, or that of its face if the edge is sharp."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    flat = _unit_length(np.cross(b - a, c - a))  # F 3
    edges = _unit_length(np.roll(corners, -1, 1) - corners)
    angles = np.arccos(np.clip(-(edges * np.roll(edges, 1, 1)).sum(-1), -1, 1))  # F 3
    _, vertex = np.unique(np.round(corners.reshape(-1, 3) / _grain(corners)), axis=0, return_inverse=True)
    vertex = vertex.reshape(-1)
    # Weighted by the corner's angle: the result does not depend on how a face is cut into triangles.
    summed: Floats = np.stack([np.bincount(vertex, (axis[:, None] * angles).ravel()) for axis in flat.T], -1)
    smooth = _unit_length(summed)[vertex].reshape(corners.shape)
    soft = (smooth * flat[:, None]).sum(-1, keepdims=True) > CREASE
    return np.where(soft, smooth, flat[:, None])


def _unit_length(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20))


def _grain(corners: Floats) -> float:
    """Return the distance below which two vertices count as one."""
    return max(float(np.ptp(corners.reshape(-1, 3), axis=0).max()), 1e-12) * 1e-6


def _joined(parts: list[Triangles]) -> Triangles:
    """Return the triangles of all parts as one mesh."""
    before = np.cumsum([0, *(len(part.pyramids) for part in parts)])
    texture = [np.where(part.texture < 0, -1, part.texture + start) for part, start in zip(parts, before, strict=False)]
    fields = {name: np.concatenate([getattr(part, name) for part in parts])
              for name in ("corners", "normals", "colours", "uv")}
    pyramids = tuple(levels for part in parts for levels in part.pyramids)
    return Triangles(**fields, texture=np.concatenate(texture), pyramids=pyramids)


def placement(points: Floats, normalise: str, up: str) -> tuple[Floats, Floats]:
    """Return A (3 x 3) and b such that A p + b is upright (z up) around the origin, in the size for Zero123++.

    The centre of the upright bounding box becomes the origin. ``normalise`` is the size. ``sphere``: the farthest point
    is at distance 1, as in Zero123++'s training (a camera at distance 4 with a field of view of 30 degrees sees a ball
    of 4 sin 15 = 1.035). ``cube``: the box's longest side is 2, as in the training of InstantMesh's fine-tuned
    Zero123++ (its issue 5); corners of a thick object may leave the image. ``none``: the file's.
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
