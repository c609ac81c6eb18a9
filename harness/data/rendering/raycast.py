"""Ray casting of solids: the first segment on each ray, its shading, and the background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.capsules import Array, Solids

Pixels = NDArray[np.uint8]
SegmentMap = NDArray[np.int64]
SAMPLES = 3  # rays per pixel and axis; odd, so that one ray passes through the pixel's centre
# Depth added per index of a solid: two segments share the ball at their joint, and the earlier one must win. Far above
# rounding errors, so that every machine renders the same pixels, and far below a visible size.
TIE = 1e-9


@dataclass(frozen=True)
class Rays:
    """Rays from one camera; t along ``directions`` is the camera's depth."""

    origin: Array  # 3
    directions: Array  # ... 3


def rays(matrix: Array, points_yx: NDArray[np.floating]) -> Rays:
    """Return the rays through image points of a camera matrix (3 x 4, see `harness.ops.geometry.Cameras`)."""
    inverse = np.linalg.inv(matrix[:, :3])
    y, x = points_yx[..., :1], points_yx[..., 1:]
    return Rays(-inverse @ matrix[:, 3], x * inverse[:, 0] + y * inverse[:, 1] + inverse[:, 2])


def intersect(origin: Array, direction: Array, half: Array | float) -> Array:
    """Return the smallest t at which origin + t * direction meets a capsule of radius 1 on the z segment [-half, half].

    Shapes broadcast over the leading axes; infinite if the ray misses. The capsule lies inside its infinite cylinder,
    so the entry point of the cylinder decides which piece is hit: the side, or the ball at the nearer end.
    """
    ox, oy, oz = np.moveaxis(origin, -1, 0)
    dx, dy, dz = np.moveaxis(direction, -1, 0)
    a, b, c = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - 1
    a = np.maximum(a, 1e-12)
    square = b * b - a * c
    side = (-b - np.sqrt(np.maximum(square, 0))) / a
    z = oz + side * dz
    end = np.clip(z, -half, half)
    oe = oz - end
    a, b, c = a + dz * dz, b + oe * dz, c + oe * oe
    ball_square = b * b - a * c
    ball = (-b - np.sqrt(np.maximum(ball_square, 0))) / a
    on_side = z == end
    hit = (square > 0) & (on_side | (ball_square > 0))
    return np.where(hit, np.where(on_side, side, ball), np.inf)


def first_parts(solids: Solids, cast: Rays) -> NDArray[np.int64]:
    """Return the first segment on each ray (R), -1 if the ray meets none."""
    origins = np.einsum("pij,pj->pi", solids.maps, cast.origin - solids.centres)[:, None]
    directions = np.einsum("pij,rj->pri", solids.maps, cast.directions)
    depth = intersect(origins, directions, solids.halves[:, None]) + TIE * np.arange(len(solids.parts))[:, None]
    return np.where(np.isfinite(depth.min(0)), solids.parts[depth.argmin(0)], -1)


def _depth_buffer(solids: Solids, matrix: Array, cast: Rays) -> tuple[Array, NDArray[np.int64]]:
    """Return depth and first solid (-1: none) for a square grid of rays; tests each solid near its image alone."""
    n = len(cast.directions)
    depth, first = np.full((n, n), np.inf), np.full((n, n), -1)
    projected = solids.centres @ matrix[:, :3].T + matrix[:, 3]
    focal = 1 / np.linalg.norm(cast.directions[0, -1] - cast.directions[0, 0]) * (n - 1) / n
    for p, (x, y, z) in enumerate(projected):
        radius = 1.1 * focal * solids.reach[p] / (z - solids.reach[p])  # 1.1: off the axis a ball looks wider
        low_y, low_x = (max(0, int(n * (v / z - radius))) for v in (y, x))
        high_y, high_x = (max(0, int(n * (v / z + radius)) + 2) for v in (y, x))
        box = slice(low_y, high_y), slice(low_x, high_x)
        t = intersect(solids.maps[p] @ (cast.origin - solids.centres[p]), cast.directions[box] @ solids.maps[p].T,
                      solids.halves[p]) + TIE * p
        nearer = t < depth[box]
        depth[box][nearer] = t[nearer]
        first[box][nearer] = p
    return depth, first


def _shade(solids: Solids, hits: Array, first: NDArray[np.int64], light: Array, towards: Array) -> Array:
    """Return the brightness at surface points: ambient, a lamp at ``light`` and a lamp at the camera, Lambertian."""
    maps = solids.maps[first]
    local = np.einsum("rij,rj->ri", maps, hits - solids.centres[first])
    local[:, 2] -= np.clip(local[:, 2], -solids.halves[first], solids.halves[first])
    normal = np.einsum("rij,ri->rj", maps, local)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shade: Array = 0.5 + 0.3 * np.maximum(normal @ light, 0) + 0.4 * np.maximum(normal @ towards, 0)
    return shade


def render(solids: Solids, colours: Array, matrix: Array, light: Array, background: Array) -> tuple[Pixels, SegmentMap]:
    """Return an image (h w 3) over ``background``, and the segment at each pixel's centre (h w), -1 for none."""
    side_px = len(background)
    n = side_px * SAMPLES
    ticks = (np.arange(n) + 0.5) / n
    cast = rays(matrix, np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1))
    depth, first = _depth_buffer(solids, matrix, cast)
    hit = first >= 0
    solid, t = first[hit], depth[hit]
    surface = np.where(np.isnan(solids.tints), colours[solids.parts], solids.tints)[solid]
    towards = cast.origin / np.linalg.norm(cast.origin)
    brightness = _shade(solids, cast.origin + t[:, None] * cast.directions[hit], solid, light, towards)
    row, column = np.nonzero(hit)
    pixel = row // SAMPLES * side_px + column // SAMPLES
    light_sum = np.stack([np.bincount(pixel, channel, side_px**2)
                          for channel in np.clip(surface * brightness[:, None], 0, 1).T], -1)
    cover = np.bincount(pixel, minlength=side_px**2)[:, None] / SAMPLES**2
    image = (light_sum / SAMPLES**2 + (1 - cover) * background.reshape(-1, 3)).reshape(background.shape)
    middle = SAMPLES // 2
    labels = np.where(hit, solids.parts[first], -1)[middle::SAMPLES, middle::SAMPLES]
    return np.round(image * 255).astype(np.uint8), labels


def texture(style: np.random.Generator, view: np.random.Generator, side_px: int) -> Array:
    """Return a smooth random background (h w 3): ``style`` sets colours and strengths, ``view`` the waves."""
    ticks = (np.arange(side_px) + 0.5) / side_px
    waves, grain = style.integers(2, 6), style.uniform(0.0, 0.03)
    # Paler and greyer than any figure: a figure is visible, but not the only content of the image.
    base = style.uniform(0.3, 0.75) + style.uniform(-0.1, 0.1, 3)
    colours = (style.normal(0, 0.08, (waves, 1)) + style.normal(0, 0.04, (waves, 3))) / np.sqrt(waves / 2)
    cycles, angles = style.uniform(0.3, 3.0, waves), view.uniform(0, 2 * np.pi, waves)
    phases = view.uniform(0, 2 * np.pi, waves)
    fy, fx = 2 * np.pi * cycles * np.sin(angles), 2 * np.pi * cycles * np.cos(angles)
    pattern = np.sin(ticks[:, None, None] * fy + ticks[None, :, None] * fx + phases)  # h w waves
    noise = grain * view.standard_normal((side_px, side_px, 1))
    return np.asarray(np.clip(base + pattern @ colours + noise, 0.02, 0.98))
