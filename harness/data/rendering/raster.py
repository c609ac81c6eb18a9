"""Triangles to pixels on the CPU: a z-buffer, perspective-correct colours and textures, plain shading."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.texture import Coat, Texture, colours

Floats = NDArray[np.floating]
Index = NDArray[np.int64]
SAMPLES = 2  # per pixel and axis
AMBIENT, LAMP, HEADLIGHT = 0.5, 0.25, 0.25  # add to 1, so that nothing is brighter than its colour
TOWARDS_LAMP = np.array([0.3, -0.4, 0.87])  # from above; of about unit length
FRAGMENTS = 2**21  # at once: about 200 MB
SLACK = 1e-6  # pixels: two triangles that share an edge leave no gap
RAY_SLACK = 1e-7  # the same of a ray, in sides of the view and in shares of a triangle


@dataclass(frozen=True)
class Triangles:
    """F triangles, each corner with its own place, normal, colour in [0, 1] and texture coordinate (v upwards).

    Normals are those of the side from which the corners run counterclockwise; from the other side they are turned.
    ``texture`` is the index of a face's texture among ``textures``, which multiplies its colour, -1 for none. ``glow``
    is light that the faces send out themselves: it is added, and no lamp changes it. ``notes`` say in words what the
    file holds and the picture does not.
    """

    corners: Floats  # F 3 3
    normals: Floats  # F 3 3
    colours: Floats  # F 3 3
    uv: Floats  # F 3 2
    texture: Index  # F
    textures: tuple[Texture, ...] = ()
    glow: Coat | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A rendered view: ``rgba`` (h w 4, not premultiplied), and the depth at each sample, infinite where nothing is."""

    rgba: NDArray[np.uint8]
    depth: Floats


def first_depths(corners: Floats, matrix: Floats, points_xyz: Floats) -> Floats:
    """Return the depth at which the camera's ray to each point (K 3) first meets a triangle (F 3 3), inf for none.

    Exact where the samples of a `Picture` are not: a point at the border of a part lies between samples.
    """
    homogeneous = corners @ matrix[:, :3].T + matrix[:, 3]  # F 3 3
    screen, nearness = homogeneous[..., :2] / homogeneous[..., 2:], 1 / homogeneous[..., 2]
    low, high = screen.min(1), screen.max(1)
    depths = np.full(len(points_xyz), np.inf)
    for number, point in enumerate(points_xyz @ matrix[:, :3].T + matrix[:, 3]):
        place = point[:2] / point[2]
        faces = np.flatnonzero(((low <= place + RAY_SLACK) & (high >= place - RAY_SLACK)).all(1))
        a, b, c = (screen[faces, i] - place for i in range(3))
        weights = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], 1)
        area = weights.sum(1, keepdims=True)
        weights = np.divide(weights, area, out=np.full_like(weights, -1), where=np.abs(area) > RAY_SLACK**2)
        met = (weights >= -RAY_SLACK).all(1)
        if met.any():
            depths[number] = 1 / (weights[met] * nearness[faces[met]]).sum(1).max()
    return depths


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def render(triangles: Triangles, matrix: Floats, side_px: int) -> Picture:
    """Return a square view of triangles that all lie before the camera (3 x 4, see `harness.ops.geometry.Cameras`)."""
    n = side_px * SAMPLES
    homogeneous = triangles.corners @ matrix[:, :3].T + matrix[:, 3]  # F 3 3
    screen = homogeneous[..., :2] / homogeneous[..., 2:] * n  # x, y in samples
    nearness = 1 / homogeneous[..., 2]
    buffer, first = _first(screen, nearness, n)
    hit = np.flatnonzero(first >= 0)
    face = first[hit]
    pixels = np.stack([hit % n, hit // n], -1) + 0.5
    flat = _barycentric(screen[face], pixels)
    weights = flat * nearness[face]
    weights /= weights.sum(1, keepdims=True)
    coat = Coat(triangles.colours, triangles.uv, triangles.texture)
    colour = colours(coat, triangles.textures, face, weights, screen)
    centre = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
    colour *= _brightness(triangles, face, weights, centre)[:, None]
    if triangles.glow is not None:
        colour = np.minimum(colour + colours(triangles.glow, triangles.textures, face, weights, screen), 1)
    samples = np.zeros((n * n, 4))
    samples[hit, :3], samples[hit, 3] = colour, 1
    mean = samples.reshape(side_px, SAMPLES, side_px, SAMPLES, 4).mean((1, 3))
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-9)
    with np.errstate(divide="ignore"):
        depth = (1 / buffer).reshape(n, n)
    return Picture(np.round(mean.clip(0, 1) * 255).astype(np.uint8), depth)


def _first(screen: Floats, nearness: Floats, n: int) -> tuple[Floats, Index]:
    """Return for each of n * n samples 1 / depth of the nearest triangle (0: none), and which it is (-1)."""
    buffer, first = np.zeros(n * n), np.full(n * n, -1)
    ab, ac = screen[:, 1] - screen[:, 0], screen[:, 2] - screen[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    low, high = _span(screen[..., 1].min(1), screen[..., 1].max(1), n)
    faces = np.flatnonzero((np.abs(area) > 1e-9) & (high >= low))
    # 1 / depth is linear on the screen: its slopes along x and y.
    db, dc = nearness[faces, 1] - nearness[faces, 0], nearness[faces, 2] - nearness[faces, 0]
    slope = np.full((len(area), 2), np.nan)
    slope[faces, 0] = (db * ac[faces, 1] - dc * ab[faces, 1]) / area[faces]
    slope[faces, 1] = (dc * ab[faces, 0] - db * ac[faces, 0]) / area[faces]
    least, most = nearness.min(1), nearness.max(1)
    owner, row = _expand(faces, low[faces], high[faces])
    left, right = _span(*_crossing(screen[owner], row + 0.5), n)
    length = np.maximum(right - left + 1, 0)
    for part in _parts(length):
        span, column = _expand(np.arange(part.start, part.stop), left[part], right[part])
        face, y = owner[span], row[span]
        near = (nearness[face, 0] + slope[face, 0] * (column + 0.5 - screen[face, 0, 0])
                + slope[face, 1] * (y + 0.5 - screen[face, 0, 1]))
        near = np.clip(near, least[face], most[face])  # a sliver's slope is mostly rounding error
        place = y * n + column
        np.maximum.at(buffer, place, near)
        won = near == buffer[place]
        first[place[won]] = face[won]
    return buffer, first


def _span(low: Floats, high: Floats, n: int) -> tuple[Index, Index]:
    """Return the first and last of n samples whose centres lie in [low, high]; last < first where none does."""
    first = np.clip(np.ceil(low - 0.5 - SLACK), 0, n).astype(np.int64)
    last = np.clip(np.floor(high - 0.5 + SLACK), -1, n - 1).astype(np.int64)
    return first, last


def _expand(items: Index, low: Index, high: Index) -> tuple[Index, Index]:
    """Return each item once for every number from its low to its high, and those numbers."""
    length = np.maximum(high - low + 1, 0)
    start = np.cumsum(length) - length
    return np.repeat(items, length), np.arange(int(length.sum())) - np.repeat(start - low, length)


def _crossing(screen: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return between which x a horizontal line (R) is inside its triangle (R 3 2)."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        (xa, ya), (xb, yb) = screen[:, i].T, screen[:, j].T
        rise = yb - ya
        t = np.divide(y - ya, rise, out=np.full(len(y), -1.0), where=rise != 0)
        x = np.where((t >= -SLACK) & (t <= 1 + SLACK), xa + t.clip(0, 1) * (xb - xa), np.nan)
        left, right = np.fmin(left, x), np.fmax(right, x)
    return left, right


def _parts(length: Index) -> list[slice]:
    """Return slices of the rows of spans that hold about FRAGMENTS samples each."""
    ends = np.cumsum(length)
    cuts = np.searchsorted(ends, np.arange(FRAGMENTS, int(ends[-1]) if len(ends) else 0, FRAGMENTS)).tolist()
    edges = sorted({0, *cuts, len(length)})
    return [slice(a, b) for a, b in pairwise(edges)]


def _barycentric(screen: Floats, pixels: Floats) -> Floats:
    """Return the pixels' (R 2) barycentric coordinates (R 3) on the screen, none of them negative."""
    (ax, ay), (bx, by), (cx, cy) = (screen[:, i].T - pixels.T for i in range(3))
    weights = np.stack([bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx], -1)
    weights *= np.sign(weights.sum(1, keepdims=True))
    weights = np.maximum(weights, 0) + 1e-12
    normalised: Floats = weights / weights.sum(1, keepdims=True)
    return normalised


def _brightness(triangles: Triangles, face: Index, weights: Floats, centre: Floats) -> Floats:
    """Return ambient light, a lamp above and one at the camera, Lambertian; both sides of a face are lit alike."""
    place = np.einsum("rk,rkc->rc", weights, triangles.corners[face])
    normal = np.einsum("rk,rkc->rc", weights, triangles.normals[face])
    view = centre - place
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    # The side that is seen is the face's, not the smooth normal's, which turns away before the face does.
    a, b, c = (triangles.corners[:, i] for i in range(3))
    away = (np.cross(b - a, c - a) * (centre - a)).sum(1) < 0
    normal *= np.where(away[face], -1, 1)[:, None] / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    lamp, head = normal @ TOWARDS_LAMP, (normal * view).sum(1)
    return np.asarray(AMBIENT + LAMP * np.maximum(lamp, 0) + HEADLIGHT * np.maximum(head, 0))
