"""PLY files: triangles and polygons with colours of vertices or faces, and the texture that a comment names."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.rendering.images import Images, beside, content
from harness.data.rendering.parts import PLAIN, Layer, Part, Reading, layer, refuse, unit
from harness.data.rendering.raster import Floats, Index
from harness.data.rendering.texture import Texture

TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
         "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
         "float32": "f4", "float64": "f8"}
CORNERS = ("vertex_indices", "vertex_index")
COORDINATES = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"), ("texture_s", "texture_t"))
COLOURS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))


@dataclass
class Element:
    """One kind of rows: how many, and each property's types (of the count too where it is a list) and values.

    A list's values are one after another; ``counts`` says how many each row has.
    """

    rows: int
    types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Index] = field(default_factory=dict)


def read_ply(path: Path) -> Reading:
    """Return a PLY file's parts, one for each texture."""
    elements, textures = _elements(path.read_bytes())
    reading = Reading()
    if "tristrips" in elements:
        refuse("the element tristrips is not supported, only faces")
    vertex, face = elements.get("vertex"), elements.get("face")
    name = next((name for name in CORNERS if face is not None and name in face.values), None)
    if vertex is None or face is None or name is None or not face.rows:
        return reading
    try:
        places = np.stack([vertex.values[axis] for axis in "xyz"], -1).astype(np.float64)
    except KeyError as error:
        refuse(f"cannot be read: its vertices have no {error}")
    if (face.values[name] >= len(places)).any() or (face.values[name] < 0).any():
        refuse(f"cannot be read: a face names a vertex that is not among its {len(places)}")
    owner, slots = _fans(face.counts[name])
    corners = face.values[name][slots].astype(np.int64)
    colours = _colours(vertex, face, owner, corners)
    uv = _uv(vertex, face, name, slots, corners)
    images, number = Images(), _numbers(face)[owner]
    for one in np.unique(number).tolist():
        here = number == one
        texture = _texture(path, textures, one, images) if uv is not None and textures and one >= 0 else None
        # One rule for all files: a vertex's colour times the texture.
        tint = np.full((len(owner), 3, 3), 1.0 if texture else PLAIN) if colours is None else colours
        base = Layer(tint[here]) if uv is None else layer(tint[here], uv[here], texture, "its faces")
        reading.parts.append(Part(places[corners[here]], base))
    if textures and uv is None:
        reading.note(f"texture {textures[0]} is not drawn: the file has no texture coordinates")
    return reading


def _texture(path: Path, names: list[str], number: int, images: Images) -> Texture:
    """Return the texture of that number that the file's comments name."""
    if number >= len(names):
        refuse(f"a face has the texture number {number}, and {len(names)} are named")
    file = beside(path.parent, names[number])
    if file is None:
        refuse(f"its texture {path.parent / names[number]} is missing")
    return Texture(images.levels(content(file, "its texture"), f"its texture {file}"))


def _numbers(face: Element) -> Index:
    """Return each face's number of a texture, negative for none."""
    return np.asarray(face.values.get("texnumber", np.zeros(face.rows))).astype(np.int64)


def _fans(counts: Index) -> tuple[Index, Index]:
    """Return each triangle's polygon, and where among all polygons' corners its three are (T 3)."""
    start = np.cumsum(counts) - counts
    triangles = np.maximum(counts - 2, 0)
    owner = np.repeat(np.arange(len(counts)), triangles)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    first = start[owner]
    return owner, np.stack([first, first + step + 1, first + step + 2], -1)


def _colours(vertex: Element, face: Element, owner: Index, corners: Index) -> Floats | None:
    """Return the triangles' colours (T 3 3): the vertices', else the faces', None without any."""
    for element, rows in ((vertex, corners), (face, np.repeat(owner[:, None], 3, 1))):
        for names in COLOURS:
            if all(name in element.values for name in names):
                return unit(np.stack([element.values[name] for name in names], -1))[rows]
    return None


def _uv(vertex: Element, face: Element, name: str, slots: Index, corners: Index) -> Floats | None:
    """Return the triangles' texture coordinates (T 3 2): the faces', else the vertices', None without any."""
    if "texcoord" in face.values:
        if not np.array_equal(face.counts["texcoord"], 2 * face.counts[name]):
            refuse("a face's texcoord has not two numbers for each of its corners")
        return np.asarray(face.values["texcoord"].reshape(-1, 2)[slots], dtype=np.float64)
    for pair in COORDINATES:
        if all(axis in vertex.values for axis in pair):
            return np.stack([vertex.values[axis] for axis in pair], -1)[corners].astype(np.float64)
    return None


def _elements(blob: bytes) -> tuple[dict[str, Element], list[str]]:
    """Return a file's elements with their values, and the textures that its comments name."""
    head, mark, body = blob.partition(b"end_header")
    if not blob.startswith(b"ply") or not mark:
        refuse("cannot be read: not a PLY file with a header")
    body = body[body.index(b"\n") + 1:] if b"\n" in body else b""
    elements: dict[str, Element] = {}
    textures, encoding = [], "ascii"
    for line in head.decode("utf-8", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            encoding = words[1]
        elif words[:1] == ["element"]:
            last = elements.setdefault(words[1], Element(int(words[2])))
        elif words[:1] == ["property"]:
            last.types[words[-1]] = tuple(TYPES[word] for word in (words[2:4] if words[1] == "list" else words[1:2]))
        elif words[:1] in (["comment"], ["obj_info"]) and words[1:2] and words[1].lower() == "texturefile":
            textures.append(line.split(None, 2)[2].strip() if len(words) > 2 else "")
    if encoding == "ascii":
        _read_text(elements, body)
    else:
        _read_binary(elements, body, ">" if "big" in encoding else "<")
    return elements, textures


def _read_text(elements: dict[str, Element], body: bytes) -> None:
    """Fill in the values of a file of text."""
    lines = iter(line for line in body.decode("ascii", errors="replace").splitlines() if line.strip())
    for element in elements.values():
        rows = [line.split() for line in islice(lines, element.rows)]
        if len(rows) < element.rows:
            refuse("cannot be read: it ends early")
        at = [0] * len(rows)
        for name, types in element.types.items():
            counts = [int(row[place]) if len(types) > 1 else 1 for row, place in zip(rows, at, strict=True)]
            first = [place + len(types) - 1 for place in at]
            at = [place + count for place, count in zip(first, counts, strict=True)]
            flat = [word for row, a, b in zip(rows, first, at, strict=True) for word in row[a:b]]
            if len(flat) != sum(counts):
                refuse("cannot be read: a row is too short")
            element.counts[name] = np.array(counts, dtype=np.int64)
            element.values[name] = np.array(flat, dtype=np.float64).astype(types[-1])


def _read_binary(elements: dict[str, Element], body: bytes, order: str) -> None:
    """Fill in the values of a binary file."""
    at = 0
    for element in elements.values():
        if element.rows:
            after = _read_alike(element, body, at, order)
            at = _read_rows(element, body, at, order) if after is None else after


def _read_alike(element: Element, body: bytes, at: int, order: str) -> int | None:
    """Read an element whose lists are all as long as its first row's; None where they are not."""
    fields, end = [], at
    for name, types in element.types.items():
        count = 1
        if len(types) > 1:
            size = np.dtype(types[0]).itemsize
            if end + size > len(body):
                return None
            count = int(np.frombuffer(body, order + types[0], 1, end)[0])
            fields.append((f"{name} count", order + types[0], (1,)))
            end += size
        fields.append((name, order + types[-1], (count,)))
        end += count * np.dtype(types[-1]).itemsize
    kind = np.dtype(fields)
    if at + element.rows * kind.itemsize > len(body):
        return None
    rows = np.frombuffer(body, kind, element.rows, at)
    for name, types in element.types.items():
        count = rows[name].shape[1]
        if len(types) > 1 and (rows[f"{name} count"] != count).any():
            return None
        element.values[name] = np.ascontiguousarray(rows[name]).reshape(-1).astype(types[-1])
        element.counts[name] = np.full(element.rows, count)
    return at + element.rows * kind.itemsize


def _read_rows(element: Element, body: bytes, at: int, order: str) -> int:
    """Read an element row by row."""
    values: dict[str, list[Any]] = {name: [] for name in element.types}
    kinds = {name: tuple(np.dtype(order + one) for one in types) for name, types in element.types.items()}
    for _ in range(element.rows):
        for name, kind in kinds.items():
            count = 1
            if len(kind) > 1:
                count = int(np.frombuffer(body, kind[0], 1, at)[0])
                at += kind[0].itemsize
            values[name].append(np.frombuffer(body, kind[-1], count, at))
            at += count * kind[-1].itemsize
    for name, kind in kinds.items():
        element.values[name] = np.concatenate(values[name]).astype(kind[-1].newbyteorder("="))
        element.counts[name] = np.array([len(row) for row in values[name]], dtype=np.int64)
    return at
