"""The scenes in which two trials differ most, beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.report.pictures import sheet
from harness.report.pictures.tiles import colours


@dataclass(frozen=True)
class ScenePair:
    """One test scene as two trials saw it: its views (V 3 h w), and the rows of both points tables that are its own.

    ``label`` says in a few lines which scene it is and how far apart the two are.
    """

    label: str
    views: np.ndarray
    points: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]] = field(repr=False)


def picture(title: str, words: tuple[str, str], sights: Sequence[ScenePair], columns: int = 1) -> bytes:
    """Return a PNG: every scene with the points of the first trial on the left and of the second on the right.

    Scenes of a single view stand ``columns`` beside each other, which has to divide their number.
    """
    scenes = [_scene(sight) for sight in sights]
    if columns > 1:
        scenes = [_row(scenes[i : i + columns]) for i in range(0, len(scenes), columns)]
    palette = colours(scenes[0].truth_yx.shape[1])
    return sheet.png(sheet.stacked([sheet.heading(title), sheet.twice(scenes, words, palette)]))


def of_scene(points: Mapping[str, Any], scene: int) -> dict[str, np.ndarray]:
    """Return the rows of a points table that belong to a scene, in order of view and keypoint."""
    own = np.flatnonzero(np.asarray(points["scene"]) == scene)
    order = own[np.lexsort((np.asarray(points["keypoint"])[own], np.asarray(points["view"])[own]))]
    return {name: np.asarray(column)[order] for name, column in points.items()}


def _scene(sight: ScenePair) -> sheet.TileRow:
    views = len(sight.views)
    first = sight.points[0]
    return sheet.TileRow(sight.label, tuple(f"view {view}" for view in range(views)), sight.views,
                       _places(first, "truth", views), first["visible"].reshape(views, -1).astype(bool),
                       (_places(first, "found", views), _places(sight.points[1], "found", views)))


def _row(scenes: Sequence[sheet.TileRow]) -> sheet.TileRow:
    """Return scenes of one view as one row, each under the first two lines of its label."""
    views, truth, visible, left, right = (
        np.concatenate(parts) for parts in zip(
            *((scene.views, scene.truth_yx, scene.visible, *scene.found_yx) for scene in scenes), strict=True)
    )
    heads = tuple(" ".join(scene.label.splitlines()[:2]) for scene in scenes)
    return sheet.TileRow("", heads, views, truth, visible, (left, right))


def _places(points: Mapping[str, np.ndarray], name: str, views: int) -> np.ndarray:
    """Return points V K 2 in [0, 1]."""
    both = np.stack([points[f"{name}_y"], points[f"{name}_x"]], -1).astype(np.float64)
    return both.reshape(views, -1, 2)
