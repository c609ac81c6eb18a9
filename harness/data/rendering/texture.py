"""Textures on triangles: images halved again and again, sampled between their texels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Texture:
    """An image (h w 3) in [0, 1], the image halved again and again, and what lies beyond its borders.

    ``wrap`` names for u and v one of ``repeat``, ``mirror`` and ``clamp``. ``nearest`` takes the nearest texel's colour
    as it is. Several textures may hold the same levels, which are kept once.
    """

    levels: tuple[Floats, ...]
    wrap: tuple[str, str] = ("repeat", "repeat")
    nearest: bool = False


@dataclass(frozen=True)
class Coat:
    """Colours of F triangles: per corner, multiplied by the texture of that index (-1: none) at uv (v upwards)."""

    colours: Floats  # F 3 3
    uv: Floats  # F 3 2
    texture: Index  # F


def pyramid(image: Floats) -> tuple[Floats, ...]:
    """Return a texture and its halves down to one pixel in one direction."""
    levels: list[Floats] = [image.astype(np.float32)]
    while min(levels[-1].shape[:2]) > 1:
        rows, columns = (size // 2 * 2 for size in levels[-1].shape[:2])
        even = levels[-1][:rows, :columns]
        levels.append((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
    return tuple(levels)


def colours(coat: Coat, textures: tuple[Texture, ...], face: Index, weights: Floats, screen: Floats) -> Floats:
    """Return a coat's colours (R 3) at places given by their faces and barycentric weights (R 3).

    ``screen`` (F 3 2) says where the faces' corners are in samples, and with that which halving of a texture is used.
    """
    colour: Floats = np.einsum("rk,rkc->rc", weights, coat.colours[face])
    uv = np.einsum("rk,rkc->rc", weights, coat.uv[face])
    texels = _texels_per_sample(coat, textures, screen)[face]
    level = np.round(np.log2(np.maximum(texels, 1))).astype(np.int64)
    for index in np.unique(coat.texture[face]).tolist():
        if index < 0:
            continue
        texture = textures[index]
        here = np.flatnonzero(coat.texture[face] == index)
        for number in range(len(texture.levels)):
            rows = here[np.clip(level[here], 0, len(texture.levels) - 1) == number]
            colour[rows] *= _sample(texture, number, uv[rows])
    return colour


def _sample(texture: Texture, level: int, uv: Floats) -> Floats:
    """Return a texture's colours by bilinear interpolation, or of the nearest texel."""
    image = texture.levels[level]
    rows, columns = image.shape[:2]
    x, y = uv[:, 0] * columns - 0.5, (1 - uv[:, 1]) * rows - 0.5
    if texture.nearest:
        x, y = np.floor(x + 0.5), np.floor(y + 0.5)
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    across = [_wrapped(x0 + j, columns, texture.wrap[0]) for j in (0, 1)]
    down = [_wrapped(y0 + i, rows, texture.wrap[1]) for i in (0, 1)]
    top, bottom = (image[row, across[0]] * (1 - fx) + image[row, across[1]] * fx for row in down)
    return np.asarray(top * (1 - fy) + bottom * fy)


def _wrapped(texel: Index, size: int, wrap: str) -> Index:
    """Return which of ``size`` texels stands for one that may lie beyond the border."""
    if wrap == "clamp":
        return np.clip(texel, 0, size - 1)
    if wrap == "mirror":
        turned = texel % (2 * size)
        return np.minimum(turned, 2 * size - 1 - turned)
    return texel % size


def _texels_per_sample(coat: Coat, textures: tuple[Texture, ...], screen: Floats) -> Floats:
    """Return how many texels of its texture go along one sample of each face."""
    if not textures:
        return np.ones(len(screen))
    shapes = np.array([texture.levels[0].shape[:2] for texture in textures])[coat.texture]
    on_screen, on_texture = (_area(screen), _area(coat.uv) * shapes.prod(1))
    return np.asarray(np.sqrt(on_texture / np.maximum(on_screen, 1e-12)))


def _area(corners: Floats) -> Floats:
    (bx, by), (cx, cy) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    return np.asarray(np.abs(bx * cy - by * cx))
