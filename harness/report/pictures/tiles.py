"""Pictures of one view: with keypoints, or below one token's map."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
FINE = 4  # factor of supersampling, for smooth marks
# Black, violet, red, orange, pale yellow: dark to light, so that it works in grey too.
HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=np.float64)


def colours(count: int) -> list[Colour]:
    """Return distinct colours: hues around the circle, neighbours of different lightness."""
    shares = [colorsys.hls_to_rgb(i / count, (0.45, 0.68)[i % 2], 0.95) for i in range(count)]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in shares]


def spot(colour: Colour, size_px: int, paper: Colour = (255, 255, 255)) -> Image.Image:
    """Return a dot as `marked` draws it, for a legend."""
    fine = Image.new("RGB", (size_px * FINE, size_px * FINE), paper)
    _disc(ImageDraw.Draw(fine), np.full(2, size_px * FINE / 2), size_px * FINE / 2 - 1, (0, 0, 0))
    _disc(ImageDraw.Draw(fine), np.full(2, size_px * FINE / 2), size_px * FINE / 2 - FINE - 1, colour)
    return fine.resize((size_px, size_px), Image.Resampling.LANCZOS)


def photo(view: np.ndarray, size_px: tuple[int, int]) -> Image.Image:
    """Return a view (3 h w, in [0, 1]) as an image of ``size_px`` (width, height)."""
    pixels = np.clip(np.moveaxis(view, 0, -1) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize(size_px, Image.Resampling.BICUBIC)


def marked(image: Image.Image, truth_yx: np.ndarray, visible: np.ndarray, found_yx: np.ndarray,
           palette: list[Colour], size: float = 1.0, fine: int = FINE) -> Image.Image:
    """Return a view with its true keypoints (K 2) as white rings and the found ones (NaN for none) as coloured dots.

    Only visible keypoints have a ring, joined to its dot by a line; a dot without a ring is small. ``size`` scales the
    marks, ``fine`` is the factor of supersampling.
    """
    width, height = image.width * fine, image.height * fine
    drawn = image.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(drawn)
    unit = size * min(width, height) / 128
    places = [tuple((points * (height, width))[:, ::-1]) for points in (truth_yx, found_yx)]
    is_found = np.isfinite(found_yx).all(-1)
    for k in np.flatnonzero(visible & is_found):
        ends = [*places[0][k], *places[1][k]]
        draw.line(ends, fill=(0, 0, 0), width=round(2.6 * unit))
        draw.line(ends, fill=palette[k], width=round(1.4 * unit))
    for k in np.flatnonzero(is_found):
        radius = (3.1 if visible[k] else 1.9) * unit
        _disc(draw, places[1][k], radius + unit, fill=(0, 0, 0))
        _disc(draw, places[1][k], radius, fill=palette[k])
    for k in np.flatnonzero(visible):
        _ring(draw, places[0][k], 5.4 * unit, (0, 0, 0), round(2.4 * unit))
        _ring(draw, places[0][k], 4.9 * unit, (255, 255, 255), round(1.4 * unit))
    return drawn.resize(image.size, Image.Resampling.LANCZOS)


def heated(image: Image.Image, heat: np.ndarray, found_yx: np.ndarray, colour: Colour, top: float = 0.0
           ) -> Image.Image:
    """Return a map (H W), scaled to ``top`` or to its own maximum, over the view in grey, with a ring at its point."""
    scaled = Image.fromarray((heat / max(top or float(heat.max()), 1e-30)).astype(np.float32))
    share = np.clip(np.asarray(scaled.resize(image.size, Image.Resampling.BICUBIC), dtype=np.float64), 0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    hot = np.stack([np.interp(share, stops, HEAT[:, channel]) for channel in range(3)], -1)
    grey = np.asarray(image.convert("L"), dtype=np.float64)[..., None] * 0.55
    mixed = grey + (hot - grey) * share[..., None] ** 0.6 * 0.9
    fine = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    fine = fine.resize((image.width * FINE, image.height * FINE), Image.Resampling.BICUBIC)
    if np.isfinite(found_yx).all():
        unit = FINE * max(1.0, min(image.size) / 64)
        place = (found_yx[1] * fine.width, found_yx[0] * fine.height)
        _ring(ImageDraw.Draw(fine), place, 7.5 * unit, (0, 0, 0), round(2.4 * unit))
        _ring(ImageDraw.Draw(fine), place, 7.0 * unit, colour, round(1.4 * unit))
    return fine.resize(image.size, Image.Resampling.LANCZOS)


def _disc(draw: ImageDraw.ImageDraw, place: np.ndarray, radius: float, fill: Colour) -> None:
    x, y = place
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def _ring(draw: ImageDraw.ImageDraw, place: "np.ndarray | tuple[float, float]", radius: float, outline: Colour,
          width: int) -> None:
    x, y = place
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=outline, width=max(1, width))
