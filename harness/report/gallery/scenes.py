"""Small pictures of test scenes with a trial's keypoints, for the cells of a gallery."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from harness.report.pictures.scene_pairs import of_scene
from harness.report.pictures.tiles import colours, marked, photo

WIDTH_PX, GAP_PX = 252, 2
QUALITY = 80


def canvas(views: np.ndarray) -> Image.Image:
    """Return a scene's views (V 3 h w) side by side, six of them in two rows."""
    rows, columns = layout(len(views))
    width = (WIDTH_PX - GAP_PX * (columns - 1)) // columns
    size = (width, round(width * views.shape[-2] / views.shape[-1]))
    image = Image.new("RGB", (columns * (width + GAP_PX) - GAP_PX, rows * (size[1] + GAP_PX) - GAP_PX), (255, 255, 255))
    for view, pixels in enumerate(views):
        image.paste(photo(pixels, size), (view % columns * (width + GAP_PX), view // columns * (size[1] + GAP_PX)))
    return image


def layout(views: int) -> tuple[int, int]:
    """Return rows and columns of a scene's views."""
    rows = 2 if views > 3 else 1
    return rows, -(-views // rows)


def picture(scene: Image.Image, points: Mapping[str, np.ndarray], number: int) -> tuple[bytes, float]:
    """Return a scene's canvas with its true and found keypoints as WebP, and PCK@0.1 in it (NaN if none is visible).

    ``points`` are the columns of points.parquet.
    """
    own = of_scene(points, number)
    views, keypoints = int(own["view"].max()) + 1, int(own["keypoint"].max()) + 1
    visible = own["visible"].astype(bool)
    rows, columns = layout(views)
    corner = np.stack([own["view"] // columns, own["view"] % columns], -1)
    truth, found = ((corner + np.stack([own[f"{name}_y"], own[f"{name}_x"]], -1)) / (rows, columns)
                    for name in ("truth", "found"))
    buffer = io.BytesIO()
    drawn = marked(scene, truth, visible, found, colours(keypoints) * views, 1 / rows, fine=2)
    drawn.save(buffer, "WEBP", quality=QUALITY, method=2)
    hits = own["error"][visible] <= 0.1 * own["normaliser"][visible]
    return buffer.getvalue(), float(hits.mean()) if visible.any() else float("nan")
