"""Files of keypoints in space from one photograph: numbers, a point cloud, the painted views, a turning picture."""

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from harness.ops.geometry import orbit, reproject
from harness.report.pictures.sheet import png
from harness.report.pictures.tiles import colours, marked, photo

if TYPE_CHECKING:
    from harness.method.photograph import Lifted

NUMBERS, TURNS = "keypoints.json", 24


def files(lifted: "Lifted", origin: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files by name."""
    points = [{"token": token, "xyz": xyz, "reprojection_px": apart} for token, xyz, apart in zip(
        lifted.tokens, lifted.points_xyz.tolist(), lifted.reprojection_px.tolist(), strict=True)]
    numbers = {**origin, "disagreement": lifted.disagreement, "points": points,
               "views_yx": lifted.points_yx.tolist(),
               "frame": "scene units; z up; the photograph is seen from azimuth 0, the x axis"}
    return {NUMBERS: json.dumps(numbers, indent=1).encode(), "keypoints.ply": ply(lifted), "views.png": _views(lifted),
            "turning.webp": _turning(lifted)}


def ply(lifted: "Lifted") -> bytes:
    """Return the points as an ASCII PLY file, coloured as in the pictures."""
    properties = [*(f"float {axis}" for axis in "xyz"), *(f"uchar {name}" for name in ("red", "green", "blue"))]
    head = ["ply", "format ascii 1.0", f"element vertex {len(lifted.tokens)}",
            *(f"property {name}" for name in properties), "end_header"]
    rows = [" ".join(map(str, (*xyz, *colour))) for xyz, colour in
            zip(lifted.points_xyz.tolist(), colours(len(lifted.tokens)), strict=True)]
    return "\n".join([*head, *rows, ""]).encode()


def _views(lifted: "Lifted") -> bytes:
    """Return the photograph and the six painted views with every token's point."""
    side, count = 192, len(lifted.tokens)
    sheet = Image.new("RGB", (4 * side, 2 * side), "white")
    sheet.paste(photo(lifted.photograph.numpy(), (side, side)), (0, 0))
    truth, visible = np.full((count, 2), np.nan), np.zeros(count, bool)  # none is known
    for view, (image, points) in enumerate(zip(lifted.views, lifted.points_yx, strict=True)):
        tile = photo(image.numpy(), (side, side))
        row, column = divmod(view, 3)
        sheet.paste(marked(tile, truth, visible, points.numpy(), colours(count), 2.0),
                    ((column + 1) * side, row * side))
    return png(sheet)


def _turning(lifted: "Lifted") -> bytes:
    """Return the points in space, seen from cameras all around, as an animated WebP."""
    side, frames = 320, []
    cameras = orbit([360.0 * i / TURNS for i in range(TURNS)], [15.0] * TURNS).matrices.double()
    points_yx, depth = reproject(cameras, lifted.points_xyz.double())  # (T J 2), (T J)
    for places, depths in zip(points_yx.tolist(), depth.tolist(), strict=True):
        frame = Image.new("RGB", (side, side), "white")
        draw = ImageDraw.Draw(frame)
        for j in sorted(range(len(places)), key=lambda j: -depths[j]):  # the far ones first
            y, x, radius = places[j][0] * side, places[j][1] * side, 28 / max(depths[j], 1.0)
            if y == y and x == x:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours(len(places))[j])
        frames.append(frame)
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=120, loop=0, lossless=True)
    return buffer.getvalue()
