"""One search of a comparison: the experiment's search with one sampler and one sampler seed, in its own folder."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.load import load
from harness.config.spec import Experiment
from harness.errors import UsageError
from harness.runner.coordinator import Policy, Progress, Summary, run_trials
from harness.runner.executors.base import Executor
from harness.search.outcome import TriedSetting, outcome_of
from harness.search.study import search_of
from harness.search.sweep import Sweep
from harness.search.trial_source import PlannedTrial
from harness.store.atomic_files import write_folder
from harness.store.store import Store

TEST = "pck@0.1"  # printed for the best setting of each study; no setting is chosen by it


@dataclass(frozen=True)
class Course:
    """The course of a search: ``best`` has the best objective after each trial, None before the first setting ends.

    ``test`` is the best setting's PCK on the test split, None if it has none.
    """

    best: tuple[float | None, ...]
    test: float | None


class Reusing(Sweep):
    """A search that copies finished trials from other stores: equal ids mean equal results."""

    def __init__(self, experiment: Experiment, store: Store, others: Iterable[Store]) -> None:
        super().__init__(experiment, store)
        self._others = tuple(others)
        self.reused = 0

    def next(self) -> PlannedTrial | None:
        """Return the next trial that no store has finished."""
        while (trial := super().next()) is not None:
            owner = next((other for other in self._others if other.status(trial.id) == "finished"), None)
            if owner is None:
                return trial
            files = {path.name: path.read_bytes() for path in owner.path(trial.id).iterdir()}
            write_folder(self._store.path(trial.id), files)
            self.report_end(trial, self._store.record(trial.id) or {})
            self.reused += 1
        return None


def prepare(file: str, overrides: Sequence[str], sampler: str, seed: int, trials: int | None) -> Experiment:
    """Return the experiment with this sampler, seed and budget of trials; raise UsageError if the budget has no trials.

    The experiment's own sampler keeps its knobs. All studies have the same name, so that equal seeds draw equally.
    """
    experiment = load(file, overrides)
    search = search_of(experiment)
    if len(search.objectives) > 1:
        raise UsageError(f"{experiment.source}: samplers are compared by one objective, not {len(search.objectives)}")
    budget = trials or search.budget.trials
    if budget is None:
        raise UsageError(f"{experiment.source}: its budget counts no trials; say how many with --trials")
    knobs = search.sampler.knobs if search.sampler.name == sampler else {}
    choice = json.dumps({"name": sampler, **knobs, "seed": seed})
    return load(file, [*overrides, f"search.sampler={choice}", f"search.budget={{trials: {budget}}}"])


def run(experiment: Experiment, store: Store, others: Iterable[Store], executor: Executor,
        progress: Progress) -> tuple[Summary, Course, int]:
    """Run or continue a study; return its summary, its course, and the number of copied trials."""
    source = Reusing(experiment, store, others)
    try:
        summary = run_trials(source, store, executor, policy=Policy(failures_in_a_row=0), progress=progress)
        result = outcome_of(source.study, store)
    finally:
        source.close()
    sign = 1 if result.objectives[0].direction == "maximize" else -1
    best = course(result.settings, store, search_of(experiment).budget.trials or 0, sign)
    return summary, Course(best, _test_score(result.best, store)), source.reused


def course(settings: Sequence[TriedSetting], store: Store, trials: int, sign: int) -> tuple[float | None, ...]:
    """Return the best objective after each trial; the settings come in the order of their proposal."""
    best: float | None = None
    steps: list[float | None] = []
    for tried in settings:
        count = sum(store.record(trial) is not None for trial in tried.trials)
        steps += [best] * (count - 1)
        if tried.status == "finished" and (best is None or sign * tried.values[0] > sign * best):
            best = tried.values[0]
        steps += [best] * min(count, 1)
    return (*steps, *[best] * trials)[:trials]


def _test_score(best: TriedSetting | None, store: Store) -> float | None:
    records: list[dict[str, Any] | None] = [store.record(trial) for trial in best.trials] if best else []
    values = [record["scores"].get(TEST) for record in records if record]
    return None if not values or None in values else sum(values) / len(values)


def folder(results: Path, sampler: str, seed: int) -> Path:
    """Return a study's results folder."""
    return results / f"{sampler}-{seed}"
