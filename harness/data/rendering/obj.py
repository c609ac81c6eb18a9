"""OBJ files: triangles with the materials that their MTL files describe."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.images import Images, decoded
from harness.data.rendering.obj_materials import MtlMap, MtlMaterial, materials_of, note_transparency
from harness.data.rendering.parts import PLAIN, Layer, Part, Reading, layer, refuse, unit
from harness.data.rendering.raster import Floats, Index

Bare = NDArray[np.bool_]
NAMELESS = ("", "(null)", "None")  # what exporters write where a face has no material


@dataclass
class Text:
    """What an OBJ file holds before it is put together; corners are rows of ``corners``, kept once each."""

    places: list[str] = field(default_factory=list)
    coordinates: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    corners: dict[str, int] = field(default_factory=dict)
    faces: dict[str, list[int]] = field(default_factory=dict)  # three corners a face, by the material's name


def read_obj(path: Path) -> Reading:
    """Return an OBJ file's parts, one for each material."""
    text = _text(decoded(path.read_bytes()))
    places, colours = _places(text.places)
    coordinates = _coordinates(text.coordinates)
    corners = _corners(list(text.corners), len(places), len(coordinates))
    reading, images = Reading(), Images()
    materials = materials_of(path.parent, text.libraries)
    for name, flat in text.faces.items():
        if not flat:
            continue
        index = corners[np.array(flat, dtype=np.int64).reshape(-1, 3)]
        uv = coordinates[index[..., 1]] if len(coordinates) else np.zeros((*index.shape[:2], 2))
        bare = np.asarray((index[..., 1] < 0).any(1))
        tint = None if colours is None else colours[index[..., 0]]
        material = _material(name, materials, bool(text.libraries), reading)
        reading.parts.extend(_parts(places[index[..., 0]], uv, bare, tint, material, images, reading))
    return reading


def _text(whole: str) -> Text:
    """Return a file's statements sorted by what they are."""
    text, name = Text(), ""
    for line in whole.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        key, *rest = line.split(None, 1)[:2] or [""]
        value = rest[0] if rest else ""
        if key == "v":
            text.places.append(value)
        elif key == "vt":
            text.coordinates.append(value)
        elif key in ("f", "fo"):
            _face(text, value, text.faces.setdefault(name, []))
        elif key == "usemtl":
            name = value.strip()
        elif key == "mtllib":
            text.libraries.append(value.strip())
        elif key == "usemap" and value.split()[:1] not in ([], ["off"]):
            refuse("the statement usemap is not supported; textures are read from material files")
    return text


def _face(text: Text, value: str, faces: list[int]) -> None:
    """Add a polygon's fan of triangles."""
    words = (value.split("#")[0] if "#" in value else value).split()
    if "-" in value:  # counted back from what stands above
        counts = (len(text.places), len(text.coordinates), 0)
        words = ["/".join(str(int(number) + count + 1) if number.startswith("-") else number
                          for number, count in zip(word.split("/"), counts, strict=False)) for word in words]
    rows = [text.corners.setdefault(word, len(text.corners)) for word in words]
    if len(rows) == 3:
        faces += rows
        return
    for second, third in pairwise(rows[1:]):
        faces += (rows[0], second, third)


def _corners(words: list[str], places: int, coordinates: int) -> Index:
    """Return for each corner the row of its place and of its texture coordinate, -1 without one."""
    index = np.full((max(len(words), 1), 2), -1, dtype=np.int64)
    for row, word in enumerate(words):
        numbers = word.split("/")
        try:
            index[row, 0] = int(numbers[0]) - 1
            if len(numbers) > 1 and numbers[1]:
                index[row, 1] = int(numbers[1]) - 1
        except ValueError:
            refuse(f"cannot be read: a face has the corner {word!r}")
    if words and not (index[:, 0].min() >= 0 and index[:, 0].max() < places):
        refuse(f"cannot be read: a face names a vertex that is not among its {places}")
    if index[:, 1].max() >= coordinates:
        refuse(f"cannot be read: a face names a texture coordinate (vt) that is not among its {coordinates}")
    return index


def _places(lines: list[str]) -> tuple[Floats, Floats | None]:
    """Return the vertices (N 3) and their colours (N 3), None where no vertex has one."""
    rows = [line.split("#")[0].split() for line in lines]
    try:
        places = np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
        if not any(len(row) >= 6 for row in rows):
            return places, None
        with_colour = np.array([len(row) >= 6 for row in rows])
        colours = np.array([row[3:6] for row in rows if len(row) >= 6], dtype=np.float64)
    except ValueError as error:
        refuse(f"cannot be read: a vertex is not three numbers: {error}")
    tints = np.ones(places.shape)  # a vertex without a colour leaves that of its material as it is
    tints[with_colour] = unit(colours)
    return places, tints


def _coordinates(lines: list[str]) -> Floats:
    """Return the texture coordinates (N 2)."""
    try:
        return np.array([[*line.split("#")[0].split(), "0"][:2] for line in lines], dtype=np.float64).reshape(-1, 2)
    except ValueError as error:
        refuse(f"cannot be read: a texture coordinate (vt) is not two numbers: {error}")


def _material(name: str, materials: dict[str, MtlMaterial], named: bool, reading: Reading) -> MtlMaterial | None:
    """Return a material by its name in the OBJ file; raise Defect where no material file has it."""
    for spelling in (name, name.split("#")[0].strip()):
        if spelling in materials:
            return materials[spelling]
    if name in NAMELESS:
        return None
    if named:
        refuse(f"material {name!r} is in none of its material files")
    reading.note(f"material {name!r} is drawn grey: the file names no material file (mtllib)")
    return None


def _parts(corners: Floats, uv: Floats, bare: Bare, tint: Floats | None, material: MtlMaterial | None, images: Images,
           reading: Reading) -> list[Part]:
    """Return the triangles of one material, those without texture coordinates (bare) apart from the others."""
    white = np.ones((len(corners), 3, 3))
    if material is None:
        return [Part(corners, Layer(white * PLAIN if tint is None else tint))]
    note_transparency(material, reading)
    base, glow = material.map("map_kd", images), material.map("map_ke", images)
    lit, shining = _factor(material, tint, white), material.colour("ke")
    if base is None and glow is None:
        bare = np.ones(len(corners), dtype=bool)
    elif bare.any():
        reading.note(f"{bare.sum()} triangles of material {material.name!r} have no texture coordinates, drawn "
                     "without its texture")
    parts = []
    for rows in (one for one in (~bare, bare) if one.any()):
        has_uv = rows is not bare
        # Exporters write any grey beside a texture, so that Kd and Ke count only without one.
        first = _layer(base if has_uv else None, white if tint is None else tint, lit, uv, rows, material)
        second = None
        if (has_uv and glow is not None) or (shining is not None and shining.any()):
            plain = white * (0 if shining is None else shining)
            second = _layer(glow if has_uv else None, white, plain, uv, rows, material)
        parts.append(Part(corners[rows], first, second))
    return parts


def _factor(material: MtlMaterial, tint: Floats | None, white: Floats) -> Floats:
    """Return the colours without a texture: Kd times the vertices' colours."""
    colour = material.colour("kd")
    if colour is None:
        return white * PLAIN if tint is None else tint
    return colour * (white if tint is None else tint)


def _layer(image: MtlMap | None, tint: Floats, plain: Floats, uv: Floats, rows: Bare, material: MtlMaterial) -> Layer:
    """Return some triangles' coat: the texture times the tint, or the plain colours."""
    if image is None:
        return Layer(plain[rows])
    return layer(tint[rows], image.at(uv[rows]), image.texture, f"material {material.name!r}")
