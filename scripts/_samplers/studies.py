"""One study of a comparison: the experiment's search with one sampler and one sampler seed, in a folder of its own."""

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
from harness.search.outcome import TriedSetting, outcome
from harness.search.study import search_of
from harness.search.sweep import Sweep
from harness.search.trial_source import PlannedTrial
from harness.store.atomic_files import write_folder
from harness.store.store import Store

TEST = "pck@0.1"  # told of each study's best setting, and never chosen by


@dataclass(frozen=True)
class Course:
    """How a search went: ``best`` holds the best objective after each trial, None before the first setting has ended.

    ``test`` is the best setting's PCK on the test split, None where it has none.
    """

    best: tuple[float | None, ...]
    test: float | None


class Reusing(Sweep):
    """A search that takes a trial from other stores where one of them has it finished: equal ids, equal results."""

    def __init__(self, experiment: Experiment, store: Store, others: Iterable[Store]) -> None:
        super().__init__(experiment, store)
        self._others = tuple(others)
        self.reused = 0

    def next(self) -> PlannedTrial | None:
        """Return the next trial that no store has."""
        while (trial := super().next()) is not None:
            found = next((other for other in self._others if other.status(trial.id) == "finished"), None)
            if found is None:
                return trial
            files = {path.name: path.read_bytes() for path in found.path(trial.id).iterdir()}
            write_folder(self._store.path(trial.id), files)
            self.report_end(trial, self._store.record(trial.id) or {})
            self.reused += 1
        return None


def prepared(file: str, overrides: Sequence[str], sampler: str, seed: int, trials: int | None) -> Experiment:
    """Return the experiment with a sampler, its seed and a budget of trials alone; raise UsageError where it has none.

    The experiment's own sampler keeps its knobs. Studies have the same name, so that equal seeds draw alike.
    """
    experiment = load(file, overrides)
    search = search_of(experiment)
    if len(search.objectives) > 1:
        raise UsageError(f"{experiment.source}: samplers are compared by one objective, not {len(search.objectives)}")
    most = trials or search.budget.trials
    if most is None:
        raise UsageError(f"{experiment.source}: its budget counts no trials; say how many with --trials")
    knobs = search.sampler.knobs if search.sampler.name == sampler else {}
    chosen = json.dumps({"name": sampler, **knobs, "seed": seed})
    return load(file, [*overrides, f"search.sampler={chosen}", f"search.budget={{trials: {most}}}"])


def run(experiment: Experiment, store: Store, others: Iterable[Store], executor: Executor,
        progress: Progress) -> tuple[Summary, Course, int]:
    """Run a study to its end, or go on with it; return how it went, and how many trials other studies had."""
    source = Reusing(experiment, store, others)
    try:
        summary = run_trials(source, store, executor, policy=Policy(failures_in_a_row=0), progress=progress)
        found = outcome(source.study, store)
    finally:
        source.close()
    sign = 1 if found.objectives[0].direction == "maximize" else -1
    best = course(found.settings, store, search_of(experiment).budget.trials or 0, sign)
    return summary, Course(best, _test(found.best, store)), source.reused


def course(settings: Sequence[TriedSetting], store: Store, trials: int, sign: int) -> tuple[float | None, ...]:
    """Return the best objective after each of so many trials, settings in the order in which they were proposed."""
    best: float | None = None
    steps: list[float | None] = []
    for tried in settings:
        spent = sum(store.record(trial) is not None for trial in tried.trials)
        steps += [best] * (spent - 1)
        if tried.status == "finished" and (best is None or sign * tried.values[0] > sign * best):
            best = tried.values[0]
        steps += [best] * min(spent, 1)
    return (*steps, *[best] * trials)[:trials]


def _test(best: TriedSetting | None, store: Store) -> float | None:
    records: list[dict[str, Any] | None] = [store.record(trial) for trial in best.trials] if best else []
    values = [record["scores"].get(TEST) for record in records if record]
    return None if not values or None in values else sum(values) / len(values)


def folder(results: Path, sampler: str, seed: int) -> Path:
    """Return the results folder of a study."""
    return results / f"{sampler}-{seed}"
