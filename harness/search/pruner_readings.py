"""The values that a pruner compares after a seed of a setting has ended."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.config.spec import SearchSpec
from harness.search.setting import column_means
from harness.search.trial_source import PlannedTrial
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.search.pruners.base import Pruner


def readings_after_seed(pruner: "Pruner", store: Store, trials: Sequence[PlannedTrial],
                        values: Mapping[str, tuple[float, ...]], search: SearchSpec) -> dict[int, float]:
    """Return the readings, by step, that the last of the finished ``trials`` adds.

    For a pruner by `seed` the step is the seed's number, from 1, and the reading is the mean so far, or the seed's own
    value if the pruner is paired. For a pruner by `scene` each fit scene of each seed is a step.
    """
    number, score = len(trials), search.objectives[0].score
    if pruner.reading == "seed":
        value = values[trials[-1].id] if pruner.paired else column_means([values[trial.id] for trial in trials])
        return {number: value[0]}
    if pruner.reading == "scene":
        fit, scenes = store.fit(trials[-1].id), trials[-1].spec.fit_scenes
        return {(number - 1) * scenes + scene: value for scene, value in zip(fit["scene"], fit[score], strict=True)}
    return {}
