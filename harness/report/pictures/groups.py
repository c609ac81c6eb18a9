"""A picture of the groups of a context: what share of the attention each gets, over the views."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from harness.report.pictures import sheet
from harness.report.pictures.sheet import FAINT, GAP_PX, INK, MARGIN_PX, PAPER
from harness.report.pictures.tiles import heated, photo

if TYPE_CHECKING:
    from torch import Tensor

TILE_PX, LABEL_PX, HEAD_PX = 110, 62, 44
NOWHERE = np.full(2, np.nan)
WORDS = ("Share of the attention at every position of the first captured layer, from 0 (dark) to 1 (pale); in "
         "brackets its mean.")


def groups_sheet(groups: "Mapping[str, Tensor]", views: np.ndarray, title: str) -> bytes:
    """Return a PNG: a row per view (V 3 h w, in [0, 1]), a column per group's share (V h w)."""
    width = max(2 * MARGIN_PX + LABEL_PX + (1 + len(groups)) * (TILE_PX + GAP_PX), 460)
    titles, lines = (sheet.wrapped(text, size, width - 2 * MARGIN_PX) for text, size in ((title, 19), (WORDS, 13)))
    below = MARGIN_PX + 23 * len(titles) + 4
    top = below + 17 * len(lines) + HEAD_PX
    image = Image.new("RGB", (width, top + len(views) * (TILE_PX + GAP_PX) + MARGIN_PX), PAPER)
    draw = ImageDraw.Draw(image)
    sheet.write_lines(draw, (MARGIN_PX, MARGIN_PX), titles, 19, INK)
    sheet.write_lines(draw, (MARGIN_PX, below), lines, 13)
    for column, (name, share) in enumerate(groups.items(), 1):
        left = MARGIN_PX + LABEL_PX + column * (TILE_PX + GAP_PX)
        sheet.write(draw, (left, top - 20), f"{name} ({float(share.mean()):.1%})", 13, TILE_PX)
    for view, pixels in enumerate(views):
        y = top + view * (TILE_PX + GAP_PX)
        draw.text((MARGIN_PX, y + TILE_PX // 2 - 8), f"view {view}", FAINT, sheet.font(12))
        plain = photo(pixels, (TILE_PX, TILE_PX))
        tiles = [plain, *(heated(plain, share[view].double().numpy(), NOWHERE, (0, 0, 0), 1.0)
                          for share in groups.values())]
        for column, tile in enumerate(tiles):
            image.paste(tile, (MARGIN_PX + LABEL_PX + column * (TILE_PX + GAP_PX), y))
    return sheet.png(image)
