"""Parts of a mesh file before they are joined: what every reader of a format returns."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.raster import Floats, Index
from harness.data.rendering.texture import Coat, Texture

PLAIN = 0.7  # the grey of what has no colour


class Defect(Exception):
    """What is wrong with a mesh file, in words that follow its name."""


@dataclass(frozen=True)
class Layer:
    """One coat of a part: a colour for each corner, and a texture with its coordinates (v upwards), if there is one."""

    colours: Floats  # F 3 3
    uv: Floats | None = None  # F 3 2
    texture: Texture | None = None


@dataclass(frozen=True)
class Part:
    """Triangles of one material: corners (F 3 3) in the file's frame, the colour that is lit and the one that glows."""

    corners: Floats
    base: Layer
    glow: Layer | None = None


@dataclass(frozen=True)
class Reading:
    """A file's parts, and in words what it holds and the parts do not."""

    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        """Add words that are not there already."""
        if words not in self.notes:
            self.notes.append(words)


def refuse(words: str) -> NoReturn:
    """Raise a Defect."""
    raise Defect(words)


def layer(colours: Floats, uv: Floats | None, texture: Texture | None, place: str) -> Layer:
    """Return a coat of paint; raise Defect where a texture's coordinates are not numbers."""
    if texture is None or uv is None:
        return Layer(colours)
    if not np.isfinite(uv).all():
        refuse(f"a texture coordinate of {place} is not finite")
    if np.abs(uv).max(initial=0) > 1e6:
        refuse(f"a texture coordinate of {place} is {np.abs(uv).max():.0e}, farther than a million textures away")
    return Layer(colours, uv, texture)


def coats(layers: list[Layer], textures: list[Texture]) -> Coat:
    """Return layers as one coat; textures that are new are added to the list."""
    index: list[Index] = []
    uv: list[Floats] = []
    for one in layers:
        faces = len(one.colours)
        place = -1
        if one.texture is not None:
            place = next((i for i, other in enumerate(textures) if _alike(one.texture, other)), len(textures))
            if place == len(textures):
                textures.append(one.texture)
        index.append(np.full(faces, place))
        uv.append(np.zeros((faces, 3, 2)) if one.uv is None else np.asarray(one.uv, dtype=np.float64))
    return Coat(np.concatenate([one.colours for one in layers]), np.concatenate(uv), np.concatenate(index))


def _alike(a: Texture, b: Texture) -> bool:
    return a.levels is b.levels and (a.wrap, a.nearest) == (b.wrap, b.nearest)


def unit(colours: NDArray[Any]) -> Floats:
    """Return colours' first three channels in [0, 1], whole numbers by their type's range; raise Defect for others."""
    values = np.asarray(colours)[..., :3]
    if not np.isfinite(values).all():
        refuse("a colour is not finite")
    if values.dtype.kind in "ui":
        scale = 65535.0 if values.dtype.itemsize == 2 else 255.0
    else:
        scale = 255.0 if values.max(initial=0) > 1 else 1.0  # some write 0 to 255 with a point
    fractions: Floats = (values / scale).astype(np.float64).clip(0, 1)
    return fractions
