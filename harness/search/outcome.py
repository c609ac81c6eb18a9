"""The outcome of a search: its settings in the order tried, the best ones, and the importance of each dimension."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.space import Params
from harness.config.spec import Objective
from harness.search.setting import column_means, objective_values
from harness.search.study import IDS, Study
from harness.store.store import Store

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
FEWEST = 4  # settings that importances need
GOOD, SHARES = 5, (0.1, 0.5)  # best settings that importances contrast with the rest; bounds of their share


@dataclass(frozen=True)
class TriedSetting:
    """One setting: its number in the study, its parameters, its trials' ids and its status.

    ``values`` are the means of the objectives over the ``seeds`` that finished, () if none did.
    """

    number: int
    params: Params
    trials: tuple[str, ...]
    status: str
    values: tuple[float, ...]
    seeds: int


@dataclass(frozen=True)
class Outcome:
    """The settings of a study without repeated proposals, and each dimension's importance for each objective."""

    study: str
    url: str
    objectives: tuple[Objective, ...]
    settings: tuple[TriedSetting, ...]
    importances: Mapping[str, Mapping[str, float]]

    @property
    def finished(self) -> tuple[TriedSetting, ...]:
        """The settings of which every seed finished, sorted by the first objective, the best first."""
        done = [tried for tried in self.settings if tried.status == "finished"]
        return tuple(sorted(done, key=lambda tried: (-_signed(tried, self.objectives)[0], tried.number)))

    @property
    def front(self) -> tuple[TriedSetting, ...]:
        """The Pareto front, sorted by the first objective, the best first."""
        signed = {tried.number: _signed(tried, self.objectives) for tried in self.finished}
        return tuple(tried for tried in self.finished
                     if not any(_dominates(other, signed[tried.number]) for other in signed.values()))

    @property
    def best(self) -> TriedSetting | None:
        """The setting of the front with the best first objective."""
        return next(iter(self.front), None)


def outcome_of(study: Study, store: Store) -> Outcome:
    """Return a study's outcome so far, with the values from the store."""
    objectives = study.search.objectives
    last: dict[str, FrozenTrial] = {}
    for trial in study.trials():
        if IDS in trial.user_attrs and trial.state.is_finished():
            last[trial.user_attrs[IDS][0]] = trial  # of a repeated setting the last trial counts
    settings = tuple(_tried(study, store, trial) for trial in sorted(last.values(), key=lambda trial: trial.number))
    return Outcome(study.name, study.url, objectives, settings, _importances(study, last.values(), objectives))


def _tried(study: Study, store: Store, trial: "FrozenTrial") -> TriedSetting:
    records = [store.record(trial_id) for trial_id in trial.user_attrs[IDS]]
    maybe = [objective_values(record, study.search.objectives) for record in records
             if record is not None and record["status"] == "finished"]
    values = [seed_values for seed_values in maybe if seed_values is not None]
    params, _ = study.search.space.draw(lambda dimension: trial.params[dimension.name])
    return TriedSetting(trial.number, params, tuple(trial.user_attrs[IDS]), STATUS[trial.state.name],
                 column_means(values) if values else (), len(values))


def _importances(study: Study, trials: Any, objectives: Sequence[Objective]) -> dict[str, dict[str, float]]:
    """Return each dimension's importance for being among the best settings (PED-ANOVA), by objective."""
    import optuna

    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if len(done) < FEWEST:
        return {}
    share = min(max(GOOD / len(done), SHARES[0]), SHARES[1])
    importances: dict[str, dict[str, float]] = {}
    for place, objective in enumerate(objectives):
        sign = -1 if objective.direction == "maximize" else 1
        copy = optuna.create_study(direction="minimize")
        copy.add_trials([optuna.trial.create_trial(params=trial.params, distributions=trial.distributions,
                                                   value=sign * trial.values[place]) for trial in done])
        try:
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
            shares = optuna.importance.get_param_importances(copy, evaluator=evaluator)
        except (ValueError, RuntimeError):  # all settings have equal scores
            continue
        if all(math.isfinite(value) for value in shares.values()):
            importances[objective.score] = dict(shares)
    return importances


def _signed(tried: TriedSetting, objectives: Sequence[Objective]) -> tuple[float, ...]:
    return tuple(value if objective.direction == "maximize" else -value
                 for value, objective in zip(tried.values, objectives, strict=True))


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """True if no value of ``a`` is lower than that of ``b`` and one is higher (Pareto dominance)."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)
