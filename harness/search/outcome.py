"""What a search has found: its settings in the order tried, the best of them, and which dimensions mattered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.space import Params
from harness.config.spec import Objective
from harness.search.setting import mean, values_of
from harness.search.study import IDS, Study
from harness.store.store import Store

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
FEWEST = 4  # settings without which importances say nothing
GOOD, SHARES = 5, (0.1, 0.5)  # settings that importances contrast with the rest, and the shares that this may be


@dataclass(frozen=True)
class Tried:
    """One setting: its number in the study, its parameters, its trials' ids, and what became of it.

    ``values`` are the means of the objectives over the ``seeds`` that finished; empty where there is none.
    """

    number: int
    params: Params
    trials: tuple[str, ...]
    status: str
    values: tuple[float, ...]
    seeds: int


@dataclass(frozen=True)
class Outcome:
    """The settings of a study, repeated proposals left out, and the shares that dimensions have in each objective."""

    study: str
    url: str
    objectives: tuple[Objective, ...]
    settings: tuple[Tried, ...]
    importances: Mapping[str, Mapping[str, float]]

    @property
    def finished(self) -> tuple[Tried, ...]:
        """The settings with all their seeds, the best by the first objective first."""
        done = [tried for tried in self.settings if tried.status == "finished"]
        return tuple(sorted(done, key=lambda tried: (-_signed(tried, self.objectives)[0], tried.number)))

    @property
    def front(self) -> tuple[Tried, ...]:
        """Those that no other setting beats: the Pareto front, the best by the first objective first."""
        signed = {tried.number: _signed(tried, self.objectives) for tried in self.finished}
        return tuple(tried for tried in self.finished
                     if not any(_beats(other, signed[tried.number]) for other in signed.values()))

    @property
    def best(self) -> Tried | None:
        """The setting with the best first objective; of several objectives, the one of the front."""
        return next(iter(self.front), None)


def outcome(study: Study, store: Store) -> Outcome:
    """Return what a study has found so far, each value as the store has it."""
    objectives = study.search.objectives
    last: dict[str, FrozenTrial] = {}
    for trial in study.trials():
        if IDS in trial.user_attrs and trial.state.is_finished():
            last[trial.user_attrs[IDS][0]] = trial  # what was tried again counts as it went in the end
    settings = tuple(_tried(study, store, trial) for trial in sorted(last.values(), key=lambda trial: trial.number))
    return Outcome(study.name, study.url, objectives, settings, _importances(study, last.values(), objectives))


def _tried(study: Study, store: Store, trial: "FrozenTrial") -> Tried:
    records = [store.record(each) for each in trial.user_attrs[IDS]]
    values = [values_of(record, study.search.objectives) for record in records
              if record is not None and record["status"] == "finished"]
    found = [value for value in values if value is not None]
    params, _ = study.search.space.draw(lambda dimension: trial.params[dimension.name])
    return Tried(trial.number, params, tuple(trial.user_attrs[IDS]), STATUS[trial.state.name],
                 mean(found) if found else (), len(found))


def _importances(study: Study, trials: Any, objectives: Sequence[Objective]) -> dict[str, dict[str, float]]:
    """Return each dimension's share in being among the best (PED-ANOVA), conditional ones where they are there."""
    import optuna

    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if len(done) < FEWEST:
        return {}
    share = min(max(GOOD / len(done), SHARES[0]), SHARES[1])
    found: dict[str, dict[str, float]] = {}
    for place, objective in enumerate(objectives):
        sign = -1 if objective.direction == "maximize" else 1
        copy = optuna.create_study(direction="minimize")
        copy.add_trials([optuna.trial.create_trial(params=trial.params, distributions=trial.distributions,
                                                   value=sign * trial.values[place]) for trial in done])
        try:
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
            shares = optuna.importance.get_param_importances(copy, evaluator=evaluator)
        except (ValueError, RuntimeError):  # every setting scored alike
            continue
        if all(math.isfinite(value) for value in shares.values()):
            found[objective.score] = dict(shares)
    return found


def _signed(tried: Tried, objectives: Sequence[Objective]) -> tuple[float, ...]:
    return tuple(value if objective.direction == "maximize" else -value
                 for value, objective in zip(tried.values, objectives, strict=True))


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether ``a`` is nowhere worse than ``b``, and somewhere better."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)
