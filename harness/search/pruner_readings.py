"""What a pruner reads of a setting after one of its seeds has ended."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.config.spec import SearchSpec
from harness.search.setting import mean
from harness.search.trial_source import Planned
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.search.pruners.base import Pruner


def after_seed(pruner: "Pruner", store: Store, trials: Sequence[Planned], values: Mapping[str, tuple[float, ...]],
               search: SearchSpec) -> dict[int, float]:
    """Return the readings, by step, that the last of the ended ``trials`` adds.

    By seed a step is a seed, from 1, with the mean so far, or for a pruner that pairs with the seed's own value; by
    scene it is a fit scene of a seed.
    """
    number, score = len(trials), search.objectives[0].score
    if pruner.reading == "seed":
        value = values[trials[-1].id] if pruner.paired else mean([values[trial.id] for trial in trials])
        return {number: value[0]}
    if pruner.reading == "scene":
        fit, scenes = store.fit(trials[-1].id), trials[-1].spec.fit_scenes
        return {(number - 1) * scenes + scene: value for scene, value in zip(fit["scene"], fit[score], strict=True)}
    return {}
