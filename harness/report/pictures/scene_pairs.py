"""A picture of scenes, each with the keypoints of two trials side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.report.pictures import sheet
from harness.report.pictures.tiles import colours


@dataclass(frozen=True)
class ScenePair:
    """One test scene of two trials: its views (V 3 h w) and its rows of both points tables.

    ``label`` names in a few lines the scene and the difference of the two trials.
    """

    label: str
    views: np.ndarray
    points: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]] = field(repr=False)


def picture(title: str, words: tuple[str, str], pairs: Sequence[ScenePair], columns: int = 1) -> bytes:
    """Return a PNG: every scene with the points of the first trial on the left and of the second on the right.

    Scenes of a single view are in rows of ``columns``, which has to divide their number.
    """
    scenes = [_tile_row(pair) for pair in pairs]
    if columns > 1:
        scenes = [_row(scenes[i : i + columns]) for i in range(0, len(scenes), columns)]
    palette = colours(scenes[0].truth_yx.shape[1])
    return sheet.png(sheet.stacked(title, [sheet.twice(scenes, words, palette)]))


def of_scene(points: Mapping[str, Any], scene: int) -> dict[str, np.ndarray]:
    """Return the rows of a points table that belong to a scene, in order of view and keypoint."""
    rows = np.flatnonzero(np.asarray(points["scene"]) == scene)
    order = rows[np.lexsort((np.asarray(points["keypoint"])[rows], np.asarray(points["view"])[rows]))]
    return {name: np.asarray(column)[order] for name, column in points.items()}


def _tile_row(pair: ScenePair) -> sheet.TileRow:
    views, (first, second) = len(pair.views), pair.points
    return sheet.TileRow(pair.label, tuple(f"view {view}" for view in range(views)), pair.views,
                         _points_yx(first, "truth", views), first["visible"].reshape(views, -1).astype(bool),
                         (_points_yx(first, "found", views), _points_yx(second, "found", views)))


def _row(scenes: Sequence[sheet.TileRow]) -> sheet.TileRow:
    """Return scenes of one view as one row, each under the first two lines of its label."""
    views, truth, visible, left, right = (
        np.concatenate(parts) for parts in zip(
            *((scene.views, scene.truth_yx, scene.visible, *scene.found_yx) for scene in scenes), strict=True)
    )
    heads = tuple(" ".join(scene.label.splitlines()[:2]) for scene in scenes)
    return sheet.TileRow("", heads, views, truth, visible, (left, right))


def _points_yx(points: Mapping[str, np.ndarray], name: str, views: int) -> np.ndarray:
    """Return points V K 2 in [0, 1]."""
    points_yx = np.stack([points[f"{name}_y"], points[f"{name}_x"]], -1).astype(np.float64)
    return points_yx.reshape(views, -1, 2)
