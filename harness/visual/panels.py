"""A trial's picture: what the tokens find in a few test scenes, before and after optimisation."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.visual.tiles import Colour, colours, heated, marked, photo, spot

if TYPE_CHECKING:
    from torch import Tensor

    from harness.results import Exhibit

WIDTH_PX, MARGIN_PX, GAP_PX, SIDE_PX = 1600, 14, 2, 76
TILE_PX, MAP_PX = (64, 190), (44, 96)  # smallest and largest side of a tile
PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)


@dataclass(frozen=True)
class Scene:
    """One row of tiles: V views of a scene, or several scenes of one view each; a point is NaN where none was found."""

    name: str
    heads: tuple[str, ...]
    views: np.ndarray
    truth_yx: np.ndarray
    visible: np.ndarray
    found_yx: tuple[np.ndarray, np.ndarray]
    maps: tuple[np.ndarray, np.ndarray]


def panel(exhibit: "Exhibit", title: str) -> bytes:
    """Return a PNG of at most 1600 px: views with true and found keypoints, and the matched tokens' maps below.

    Untrained tokens stand on the left, optimised ones on the right. A colour belongs to a keypoint and to the token
    that was tied to it, in every view and in the head of the token's maps.
    """
    scenes = _scenes(exhibit)
    names = exhibit.keypoint_names or tuple(f"keypoint {k}" for k in range(len(exhibit.match)))
    matched = [k for k, pair in enumerate(zip(exhibit.match_untrained, exhibit.match, strict=True)) if max(pair) >= 0]
    palette = colours(len(names))
    blocks = [_heading(title), _points(scenes, palette)]
    if matched:
        blocks.append(_strip(scenes[0], matched, names, palette))
    return _png(_stacked(blocks))


def _scenes(exhibit: "Exhibit") -> list[Scene]:
    views, truth, visible = (array.float().numpy() for array in (exhibit.views, exhibit.truth_yx, exhibit.visible))
    before = _matched(exhibit.found_untrained_yx, exhibit.maps_untrained, exhibit.match_untrained)
    after = _matched(exhibit.found_yx, exhibit.maps, exhibit.match)
    names, heads = _short(exhibit.names), tuple(f"view {view}" for view in range(views.shape[1]))
    if views.shape[1] == 1:  # scenes side by side, as if they were views
        flat = [array.swapaxes(0, 1) for array in (views, truth, visible, before[0], after[0], before[1], after[1])]
        views, truth, visible, before, after = *flat[:3], (flat[3], flat[5]), (flat[4], flat[6])
        heads, names = tuple(f"scene {name}" for name in names), ("",)
    return [
        Scene(name, heads, views[e], truth[e], visible[e] > 0, (before[0][e], after[0][e]), (before[1][e], after[1][e]))
        for e, name in enumerate(names)
    ]


def _short(names: Sequence[str]) -> tuple[str, ...]:
    """Return scene names without the folder, where all share one."""
    folders = {name.rpartition("/")[0] for name in names}
    return tuple(name.rpartition("/")[2] for name in names) if len(folders) == 1 else tuple(names)


def _matched(points_yx: "Tensor", maps: "Tensor", match: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return each keypoint's token's points (E V K 2) and maps (E V K H W); NaN points and empty maps for no token."""
    index, none = np.maximum(match, 0), np.asarray(match) < 0
    points, heat = (array.double().numpy()[:, :, index] for array in (points_yx, maps))  # indexing copies
    points[:, :, none], heat[:, :, none] = np.nan, 0
    return points, heat


def _heading(title: str) -> Image.Image:
    image = Image.new("RGB", (WIDTH_PX - 2 * MARGIN_PX, 76), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((0, 0), _fitted(title, 20, image.width), INK, _font(20))
    sample = Image.new("RGB", (128, 128), (128, 128, 128))
    points = np.array([[[0.45, 0.68]], [[0.55, 0.32]]])
    sample = marked(sample, points[0], np.array([True]), points[1], [(230, 60, 50)])
    image.paste(sample.crop((22, 46, 106, 82)), (0, 34))
    text = "dot: point of the token tied to a keypoint (small where hidden)   ring: true keypoint, where visible   " \
           "line: the error   one colour per keypoint and token"
    draw.text((94, 45), _fitted(text, 14, image.width - 94), FAINT, _font(14))
    return image


def _points(scenes: Sequence[Scene], palette: list[Colour]) -> Image.Image:
    count, size = len(scenes[0].heads), _tile(scenes[0], 2 * len(scenes[0].heads), TILE_PX)
    step, half = (size[0] + GAP_PX, size[1] + GAP_PX), count * (size[0] + GAP_PX) + 12
    image = Image.new("RGB", (SIDE_PX + 2 * half, 42 + len(scenes) * step[1]), PAPER)
    draw = ImageDraw.Draw(image)
    for side, word in enumerate(("untrained tokens", "optimised tokens")):
        left = SIDE_PX + side * half
        draw.text((left, 0), word, INK, _font(16))
        for column, head in enumerate(scenes[0].heads):
            draw.text((left + column * step[0], 22), _fitted(head, 13, size[0]), FAINT, _font(13))
        for row, scene in enumerate(scenes):
            for column in range(count):
                tile = marked(photo(scene.views[column], size), scene.truth_yx[column], scene.visible[column],
                              scene.found_yx[side][column], palette)
                image.paste(tile, (left + column * step[0], 42 + row * step[1]))
    for row, scene in enumerate(scenes):
        label = _fitted(f"scene {scene.name}" if scene.name else "", 13, SIDE_PX - 6)
        draw.text((0, 42 + row * step[1] + size[1] // 2 - 8), label, FAINT, _font(13))
    return image


def _strip(scene: Scene, matched: Sequence[int], names: Sequence[str], palette: list[Colour]) -> Image.Image:
    """Return the maps of matched tokens over a scene's views: one column of pairs, before and after, per keypoint."""
    room = WIDTH_PX - 2 * MARGIN_PX - SIDE_PX
    shown = list(matched)[: room // (2 * (MAP_PX[0] + 1) + 8)]
    size = _tile(scene, 2 * len(shown), MAP_PX, 8 * len(shown))
    pair, step = 2 * (size[0] + 1) + 8, size[1] + 1
    image = Image.new("RGB", (SIDE_PX + len(shown) * pair, 60 + len(scene.heads) * step), PAPER)
    draw = ImageDraw.Draw(image)
    rest = f"; {len(shown)} of {len(matched)} keypoints" if len(shown) < len(matched) else ""
    which = f"scene {scene.name}" if scene.name else "all scenes"
    title = f"maps of the matched tokens, {which}: left untrained, right optimised, each scaled to its own maximum; " \
            f"ring: the point found{rest}"
    draw.text((0, 0), _fitted(title, 14, max(image.width, 900)), INK, _font(14))
    for column, k in enumerate(shown):
        left = SIDE_PX + column * pair
        image.paste(spot(palette[k], 13), (left, 30))
        draw.text((left + 17, 28), _fitted(names[k], 13, pair - 22), INK, _font(13))
        for row, view in enumerate(scene.views):
            for side in range(2):
                tile = heated(photo(view, size), scene.maps[side][row, k], scene.found_yx[side][row, k], palette[k])
                image.paste(tile, (left + side * (size[0] + 1), 50 + row * step))
    for row, head in enumerate(scene.heads):
        draw.text((0, 50 + row * step + size[1] // 2 - 8), _fitted(head, 13, SIDE_PX - 6), FAINT, _font(13))
    return image


def _tile(scene: Scene, count: int, sides_px: tuple[int, int], taken_px: int = 24) -> tuple[int, int]:
    """Return a tile's width and height in px: as large as ``count`` of them beside each other may be."""
    room = WIDTH_PX - 2 * MARGIN_PX - SIDE_PX - taken_px
    width = int(np.clip(room // count - GAP_PX, *sides_px))
    return width, round(width * scene.views.shape[-2] / scene.views.shape[-1])


def _stacked(blocks: Sequence[Image.Image]) -> Image.Image:
    width = max(900, *(block.width for block in blocks[1:])) + 2 * MARGIN_PX
    image = Image.new("RGB", (width, sum(block.height + MARGIN_PX for block in blocks) + MARGIN_PX), PAPER)
    top = MARGIN_PX
    for block in blocks:
        image.paste(block, (MARGIN_PX, top))
        top += block.height + MARGIN_PX
    return image


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _fitted(text: str, size_px: int, width_px: int) -> str:
    """Return the text, cut with an ellipsis where it would be wider than ``width_px``."""
    while len(text) > 1 and _font(size_px).getlength(text) > width_px:
        text = text.removesuffix("...")[:-1] + "..." if len(text) > 4 else text[:-1]
    return text


def _font(size_px: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size_px)
