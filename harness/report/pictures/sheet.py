"""Sheets of pictures: scenes with one or two sets of keypoints, below a heading that explains the marks."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.report.pictures.tiles import Colour, marked, photo

WIDTH_PX, MARGIN_PX, GAP_PX, SIDE_PX = 1600, 14, 2, 76
NARROW_PX = 900  # smallest width without margins
TILE_PX = (64, 190)  # smallest and largest side of a tile
PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)


@dataclass(frozen=True)
class TileRow:
    """One row of tiles: V views of a scene, or several scenes of one view each; a point that was not found is NaN.

    Views are V 3 h w, points V K 2, visible V K; found points are those of the left and of the right half, or of one.
    """

    label: str
    heads: tuple[str, ...]
    views: np.ndarray
    truth_yx: np.ndarray
    visible: np.ndarray
    found_yx: tuple[np.ndarray, ...]


def heading(title: str, width_px: int) -> Image.Image:
    """Return a title and an explanation of dots, rings and lines, broken into lines of a width."""
    text = "dot: point of the token tied to a keypoint (small where hidden)   ring: true keypoint, where visible   " \
           "line: the error   one colour per keypoint and token"
    titles, lines = wrapped(title, 20, width_px), wrapped(text, 14, width_px - 94)
    top = 10 + 24 * len(titles)
    image = Image.new("RGB", (width_px, top + max(42, 18 * len(lines) + 6)), PAPER)
    draw = ImageDraw.Draw(image)
    write_lines(draw, (0, 0), titles, 20, INK)
    sample = Image.new("RGB", (128, 128), (128, 128, 128))
    truth_yx, found_yx = np.array([[[0.45, 0.68]], [[0.55, 0.32]]])
    sample = marked(sample, truth_yx, np.array([True]), found_yx, [(230, 60, 50)])
    image.paste(sample.crop((22, 46, 106, 82)), (0, top))
    write_lines(draw, (94, top + max(0, 20 - 9 * len(lines))), lines, 14)
    return image


def twice(scenes: Sequence[TileRow], words: Sequence[str], palette: list[Colour]) -> Image.Image:
    """Return a row per scene, once for each of one or two words: with the points of that half, below its word."""
    count, size = len(scenes[0].heads), tile_px(scenes[0], len(words) * len(scenes[0].heads), TILE_PX)
    step, half = (size[0] + GAP_PX, size[1] + GAP_PX), count * (size[0] + GAP_PX) + 12
    own_heads = any(scene.heads != scenes[0].heads for scene in scenes)
    titles = [wrapped(word, 16, half - 14) for word in words]
    top = 20 * max(map(len, titles)) + (4 if own_heads else 22)
    row_px = step[1] + (20 if own_heads else 0)
    image = Image.new("RGB", (SIDE_PX + len(words) * half, top + len(scenes) * row_px), PAPER)
    draw = ImageDraw.Draw(image)
    for side, title in enumerate(titles):
        left = SIDE_PX + side * half
        write_lines(draw, (left, 0), title, 16, INK)
        for row, scene in enumerate(scenes):
            above = top + (row + 1) * row_px - step[1]
            for column, head in enumerate(scene.heads):
                if own_heads or row == 0:
                    write(draw, (left + column * step[0], above - 20), head, 13, size[0])
                tile = marked(photo(scene.views[column], size), scene.truth_yx[column], scene.visible[column],
                              scene.found_yx[side][column], palette)
                image.paste(tile, (left + column * step[0], above))
    for row, scene in enumerate(scenes):
        lines = scene.label.splitlines()
        middle = top + (row + 1) * row_px - step[1] + size[1] // 2 - 8 * len(lines)
        for i, line in enumerate(lines):
            write(draw, (0, middle + 16 * i), line, 13, SIDE_PX - 6)
    return image


def tile_px(scene: TileRow, count: int, sides_px: tuple[int, int], taken_px: int = 24) -> tuple[int, int]:
    """Return a tile's width and height in px, the largest with which ``count`` tiles fit in a row."""
    room = WIDTH_PX - 2 * MARGIN_PX - SIDE_PX - taken_px
    width = int(np.clip(room // count - GAP_PX, *sides_px))
    return width, round(width * scene.views.shape[-2] / scene.views.shape[-1])


def stacked(title: str, blocks: Sequence[Image.Image]) -> Image.Image:
    """Return a heading and blocks one below the other, with margins."""
    width = max(NARROW_PX, *(block.width for block in blocks))
    parts = [heading(title, width), *blocks]
    image = Image.new("RGB", (width + 2 * MARGIN_PX, sum(part.height + MARGIN_PX for part in parts) + MARGIN_PX), PAPER)
    top = MARGIN_PX
    for block in parts:
        image.paste(block, (MARGIN_PX, top))
        top += block.height + MARGIN_PX
    return image


def png(image: Image.Image) -> bytes:
    """Return the picture as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size_px: int, width_px: int,
          colour: Colour = FAINT) -> None:
    """Write text at (x, y), cut to ``width_px``."""
    draw.text(place, fitted(text, size_px, width_px), colour, font(size_px))


def write_lines(draw: ImageDraw.ImageDraw, place: tuple[int, int], lines: Sequence[str], size_px: int,
                colour: Colour = FAINT) -> None:
    """Write lines one below the other, the first at (x, y)."""
    for i, line in enumerate(lines):
        draw.text((place[0], place[1] + i * (size_px + 4)), line, colour, font(size_px))


def wrapped(text: str, size_px: int, width_px: int) -> list[str]:
    """Return the text as lines of at most ``width_px``, broken at spaces; in a word only if it is wider."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if font(size_px).getlength(lines[-1] + word) <= width_px:
            lines[-1] += word
            continue
        lines += [""] if lines[-1] else []
        for letter in word.lstrip():
            lines += [""] if font(size_px).getlength(lines[-1] + letter) > width_px and lines[-1] else []
            lines[-1] += letter
    return lines


def fitted(text: str, size_px: int, width_px: int) -> str:
    """Return the text, cut with an ellipsis to ``width_px``."""
    while len(text) > 1 and font(size_px).getlength(text) > width_px:
        text = text.removesuffix("...")[:-1] + "..." if len(text) > 4 else text[:-1]
    return text


def font(size_px: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """Return the font of all pictures."""
    return ImageFont.load_default(size_px)
