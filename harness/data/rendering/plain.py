"""Files without materials: OFF with the colours of its vertices or faces, and STL."""

import logging
import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from harness.data.rendering.parts import PLAIN, Layer, Part, Reading, refuse, unit
from harness.data.rendering.raster import Floats, Index


def read_stl(path: Path) -> Reading:
    """Return an STL file's triangles, read with trimesh."""
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # what it warns of is checked here
    reading = Reading()
    for mesh in trimesh.load_scene(path, process=False).dump():
        if getattr(mesh, "faces", None) is None:
            continue
        corners = np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces)]
        reading.parts.append(Part(corners, Layer(np.full(corners.shape, PLAIN))))
        if np.any(mesh.face_attributes.get("stl", 0)):
            reading.note("colours in STL, which programs write each in its own way, are not drawn")
    return reading


def read_off(path: Path) -> Reading:
    """Return an OFF file's triangles, polygons cut into fans."""
    text = re.sub(r"#[^\n]*", "", path.read_bytes().decode("utf-8-sig", errors="replace"))
    rows = [line.split() for line in text.splitlines() if line.strip()]
    match = re.fullmatch(r"(ST)?(C)?(N)?(4)?(n)?OFF", rows[0][0]) if rows else None
    if match is None:
        refuse("cannot be read: not an OFF file")
    texture, colour, normals, four, many = match.groups()
    if texture or four or many or "BINARY" in rows[0]:
        refuse(f"is of the kind {' '.join(rows[0])}, only OFF, COFF, NOFF and CNOFF as text are supported")
    rows = rows[1:] if len(rows[0]) == 1 else [rows[0][1:], *rows[1:]]
    count, faces = int(rows[0][0]), int(rows[0][1])
    if len(rows) < 1 + count + faces:
        refuse("cannot be read: it ends early")
    vertices, polygons = rows[1:1 + count], rows[1 + count:1 + count + faces]
    places = np.array([row[:3] for row in vertices], dtype=np.float64).reshape(-1, 3)
    first = 6 if normals else 3
    tints = [row[first:first + 3] for row in vertices]
    # Many files name colours only by having them.
    shades = _shades(tints) if colour or (not normals and all(len(row) >= 6 for row in vertices)) else None
    corners, owners = _triangles(polygons)
    if len(corners) and not 0 <= corners.min() <= corners.max() < count:
        refuse(f"cannot be read: a face names a vertex that is not among its {count}")
    colours = np.full((len(corners), 3, 3), PLAIN) if shades is None else shades[corners]
    if shades is None:
        colours = _face_colours(polygons, owners, colours)
    return Reading([Part(places[corners], Layer(colours))])


def _triangles(polygons: list[list[str]]) -> tuple[Index, Index]:
    """Return the triangles' vertices (T 3) and which polygon each belongs to."""
    corners, owners = [], []
    for number, row in enumerate(polygons):
        ring = [int(word) for word in row[1:1 + int(row[0])]]
        fan = [(ring[0], b, c) for b, c in pairwise(ring[1:])]
        corners += fan
        owners += [number] * len(fan)
    return np.array(corners, dtype=np.int64).reshape(-1, 3), np.array(owners, dtype=np.int64)


def _face_colours(polygons: list[list[str]], owners: Index, plain: Floats) -> Floats:
    """Return the triangles' colours, plain where a polygon has none."""
    colours = plain.copy()
    tails = [row[1 + int(row[0]):] for row in polygons]
    with_colour = [number for number, tail in enumerate(tails) if len(tail) >= 3]
    if any(len(tail) in (1, 2) for tail in tails):
        refuse("a face's colour is a place in a table of colours, which is not supported")
    if not with_colour:
        return colours
    table = np.zeros((len(polygons), 3))
    table[with_colour] = _shades([tails[number][:3] for number in with_colour])
    here = np.isin(owners, with_colour)
    colours[here] = table[owners[here]][:, None]
    return colours


def _shades(words: list[list[str]]) -> Floats:
    """Return colours in [0, 1]: whole numbers are of 255, those with a point of 1."""
    values = np.array(words, dtype=np.float64).reshape(-1, 3)
    if any("." in word for row in words for word in row):
        return unit(values)
    return unit(values.clip(0, 255).astype(np.int64))
