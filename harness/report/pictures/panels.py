"""A trial's picture: the keypoints found in a few test scenes, before and after optimisation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from harness.report.pictures import sheet
from harness.report.pictures.tiles import Colour, colours, heated, photo, spot

if TYPE_CHECKING:
    from torch import Tensor

    from harness.method.results import Exhibit

MAP_PX = (44, 96)  # smallest and largest side of a map's tile
WORDS = ("untrained tokens", "optimised tokens")


@dataclass(frozen=True)
class MapRow(sheet.TileRow):
    """A row of tiles with the matched tokens' maps (V K H W), before and after optimisation, or after it alone."""

    maps: tuple[np.ndarray, ...]


def panel(exhibit: "Exhibit", title: str) -> bytes:
    """Return a PNG of at most 1600 px: views with true and found keypoints, and the matched tokens' maps below.

    Untrained tokens, if they were read, are on the left, optimised ones on the right. A keypoint and its assigned token
    have one colour, in every view and above the token's maps. Without annotated keypoints each kept token has its own
    colour.
    """
    exhibit = exhibit if exhibit.match else _of_tokens(exhibit)
    scenes = _scenes(exhibit)
    names = exhibit.keypoint_names or tuple(f"keypoint {k}" for k in range(len(exhibit.match)))
    before = exhibit.match if exhibit.maps_untrained is None else exhibit.match_untrained
    matched = [k for k, pair in enumerate(zip(before, exhibit.match, strict=True)) if max(pair) >= 0]
    palette = colours(len(names))
    blocks = [sheet.twice(scenes, WORDS[-len(scenes[0].maps):], palette)]
    if matched:
        blocks.append(_strip(scenes[0], matched, names, palette))
    return sheet.png(sheet.stacked(title, blocks))


def _of_tokens(exhibit: "Exhibit") -> "Exhibit":
    """Return an exhibit without keypoints, with each kept token as an invisible keypoint."""
    import torch

    tokens, shape = tuple(range(exhibit.found_yx.shape[2])), exhibit.found_yx.shape
    return replace(exhibit, match=tokens, match_untrained=tokens, keypoint_names=tuple(f"token {k}" for k in tokens),
                   truth_yx=torch.zeros(shape), visible=torch.zeros(shape[:-1], dtype=torch.bool))


def _scenes(exhibit: "Exhibit") -> list[MapRow]:
    views, truth, visible = (array.float().numpy() for array in (exhibit.views, exhibit.truth_yx, exhibit.visible))
    halves = [_matched(exhibit.found_yx, exhibit.maps, exhibit.match)]
    if exhibit.found_untrained_yx is not None and exhibit.maps_untrained is not None:
        halves.insert(0, _matched(exhibit.found_untrained_yx, exhibit.maps_untrained, exhibit.match_untrained))
    names, heads = _short(exhibit.names), tuple(f"view {view}" for view in range(views.shape[1]))
    if views.shape[1] == 1:  # scenes side by side, as if they were views
        views, truth, visible = (array.swapaxes(0, 1) for array in (views, truth, visible))
        halves = [(points.swapaxes(0, 1), maps.swapaxes(0, 1)) for points, maps in halves]
        heads, names = tuple(f"scene {name}" for name in names), ("",)
    return [
        MapRow(f"scene {name}" if name else "", heads, views[e], truth[e], visible[e] > 0,
               tuple(points[e] for points, _ in halves), tuple(maps[e] for _, maps in halves))
        for e, name in enumerate(names)
    ]


def _short(names: Sequence[str]) -> tuple[str, ...]:
    """Return scene names without the folder if all share one."""
    folders = {name.rpartition("/")[0] for name in names}
    return tuple(name.rpartition("/")[2] for name in names) if len(folders) == 1 else tuple(names)


def _matched(points_yx: "Tensor", maps: "Tensor", match: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return points (E V K 2) and maps (E V K H W) of each keypoint's token; NaN and zeros without a token."""
    index, none = np.maximum(match, 0), np.asarray(match) < 0
    points, heat = (array.double().numpy()[:, :, index] for array in (points_yx, maps))  # indexing copies
    points[:, :, none], heat[:, :, none] = np.nan, 0
    return points, heat


def _strip(scene: MapRow, matched: Sequence[int], names: Sequence[str], palette: list[Colour]) -> Image.Image:
    """Return the maps of matched tokens over a scene's views: a column per keypoint, before and after side by side."""
    room, sides = sheet.WIDTH_PX - 2 * sheet.MARGIN_PX - sheet.SIDE_PX, len(scene.maps)
    drawn = list(matched)[: room // (sides * (MAP_PX[0] + 1) + 8)]
    size = sheet.tile_px(scene, sides * len(drawn), MAP_PX, 8 * len(drawn))
    pair, step = sides * (size[0] + 1) + 8, size[1] + 1
    rest = f"; {len(drawn)} of {len(matched)} keypoints" if len(drawn) < len(matched) else ""
    which = scene.label or "all scenes"
    placed = "left untrained, right optimised" if sides == 2 else "optimised"
    title = f"maps of the matched tokens, {which}: {placed}, each scaled to its own maximum; " \
            f"ring: the point found{rest}"
    width = max(sheet.NARROW_PX, sheet.SIDE_PX + len(drawn) * pair)
    lines = sheet.wrapped(title, 14, width)
    top = 12 + 18 * len(lines)
    image = Image.new("RGB", (width, top + 30 + len(scene.heads) * step), sheet.PAPER)
    draw = ImageDraw.Draw(image)
    sheet.write_lines(draw, (0, 0), lines, 14, sheet.INK)
    for column, k in enumerate(drawn):
        left = sheet.SIDE_PX + column * pair
        image.paste(spot(palette[k], 13), (left, top))
        sheet.write(draw, (left + 17, top - 2), names[k], 13, pair - 22, sheet.INK)
        for row, view in enumerate(scene.views):
            for side in range(sides):
                tile = heated(photo(view, size), scene.maps[side][row, k], scene.found_yx[side][row, k], palette[k])
                image.paste(tile, (left + side * (size[0] + 1), top + 20 + row * step))
    for row, head in enumerate(scene.heads):
        sheet.write(draw, (0, top + 20 + row * step + size[1] // 2 - 8), head, 13, sheet.SIDE_PX - 6)
    return image
