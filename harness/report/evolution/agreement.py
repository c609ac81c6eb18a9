"""The check that an evolution's maps are those that the record's scores were computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.method.tracks import Evolution

SAME_PLACE = 1e-6  # of a view's side: peaks are pixel centres, so they are equal or a pixel apart
# Another processor or another number of threads rounds otherwise: a peak may move between two equal pixels.
FEWEST_EQUAL, MOST_OFF = 0.9, 1e-3


@dataclass(frozen=True)
class Agreement:
    """Equal points, points compared, and the largest differences in entropy: of the localising and of the view pass.

    An entropy that the record lacks is None. ``tied`` is each keypoint's index among the kept tokens, -1 for none.
    """

    equal: int
    points: int
    entropy_off: float | None
    view_entropy_off: float | None
    tied: tuple[int, ...]

    @property
    def problem(self) -> str:
        """Return why the maps are not those of the scores, "" if they are."""
        if self.points and self.equal < FEWEST_EQUAL * self.points:
            return f"{self.points - self.equal} of {self.points} found points lie elsewhere"
        off = max((value for value in (self.entropy_off, self.view_entropy_off) if value is not None), default=0.0)
        return "" if off <= MOST_OFF else f"the entropy differs by {off:.2g}"

    @property
    def words(self) -> str:
        """Return the check in words."""
        offs = [f"entropy of the {name} {f'within {off:.1g}' if off else 'equal'}" for name, off in (
            ("localising pass", self.entropy_off), ("view pass", self.view_entropy_off)) if off is not None]
        return ", ".join([f"{self.equal} of {self.points} points equal", *offs])


def agreement(evolution: "Evolution", points: Mapping[str, Sequence[Any]], scenes: Mapping[str, Sequence[Any]]
              ) -> Agreement:
    """Compare an evolution with the trial's points.parquet and scenes.parquet (empty if there is none)."""
    found = evolution.located.points_yx[:, :, list(evolution.kept)].double().numpy()  # (M V J 2)
    recorded = _recorded(points, *found.shape[:2])  # (M V K 2)
    same = (np.abs(recorded[:, :, :, None] - found[:, :, None]).max(-1) < SAME_PLACE).sum((0, 1))  # (K J)
    is_found = np.isfinite(recorded).all((0, 1, 3))  # (K)
    tied = np.where(is_found, same.argmax(1), -1) if len(same) else np.empty(0, int)
    count = int(is_found.sum()) * found.shape[0] * found.shape[1]
    entropy = evolution.located.statistics["entropy"].double().mean(-1).numpy()  # (M V J) -> (M V)
    return Agreement(int(same.max(1)[is_found].sum()) if count else 0, count,
                     _off(scenes, "entropy", 0, entropy), _view_off(evolution, scenes), tuple(map(int, tied)))


def _recorded(points: Mapping[str, Sequence[Any]], scenes: int, views: int) -> np.ndarray:
    """Return the recorded points of the first scenes, M V K 2; without rows no keypoint."""
    if not {"found_y", "found_x"} <= points.keys() or not len(points["scene"]):
        return np.empty((scenes, views, 0, 2))
    yx = np.stack([np.asarray(points[name], float) for name in ("found_y", "found_x")], -1)
    order = np.lexsort([np.asarray(points[name]) for name in ("keypoint", "view", "scene")])
    return yx[order].reshape(-1, views, max(points["keypoint"]) + 1, 2)[:scenes]


def _off(scenes: Mapping[str, Sequence[Any]], score: str, first: int, values: np.ndarray) -> float | None:
    """Return the largest difference of values (M V), from scene ``first``, to the recorded ones; None without any."""
    rows = [(scene - first, place, value) for name, scene, place, value in zip(
        *(scenes.get(column, ()) for column in ("score", "scene", "place", "value")), strict=True)
            if name == score and first <= scene < first + len(values)]
    return max((abs(values[scene, place] - value) for scene, place, value in rows), default=None)


def _view_off(evolution: "Evolution", scenes: Mapping[str, Sequence[Any]]) -> float | None:
    from harness.method.metrics.attention import entropy

    levels = [level for track in evolution.tracks if track.name == "view pass" for level in track.levels
              if level.scored]
    if not levels:
        return None
    means = np.mean([entropy(level.maps).double().mean(-1).numpy() for level in levels], 0)  # (V J) -> (V)
    names = ("entropy_view_pass", "entropy_view_pass_apart")
    offs = [_off(scenes, name, evolution.scene, means[None]) for name in names]
    return next((off for off in offs if off is not None), None)
