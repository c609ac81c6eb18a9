"""The coordinator's overhead per trial: the time from one trial's end to the next one's start on the same worker.

Trials write their start and end to a journal, so that the gap contains everything: sending the result, syncing its
record to disk, the next start marker, and sending the next trial. Runs with and without MLflow take turns, to show that
the mirror costs no time.
"""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _chaos import trials

from harness.config.spec import Choice, Experiment, ReportSpec, TrialSpec
from harness.runner.coordinator import Policy, run_trials
from harness.runner.executors.processes import Processes
from harness.search.grid import Grid
from harness.store.mlflow_server import connect, default_uri
from harness.store.mlflow_tracker import MlflowTracker, Tracker
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.runner.executors.base import Executor

TARGET_MS = 50.0


def measure(count: int = 40, rounds: int = 3) -> dict[str, Any]:
    """Return the median gap in ms with and without MLflow, round by round in turn, and their ratio."""
    gaps_ms: dict[str, list[float]] = {"mirrored_ms": [], "alone_ms": []}
    with tempfile.TemporaryDirectory(prefix="bench-coordinator-") as folder, journal(Path(folder)) as path:
        results = Path(folder) / "results"
        connect(default_uri(results))  # creates the database, which takes seconds
        with Processes("_chaos.trials:run", threads=1, devices=()) as executor:
            run(results, "imports", 1, executor, lambda store: Tracker())
            for number in range(rounds):
                for name, tracker in (("mirrored_ms", MlflowTracker), ("alone_ms", lambda store: Tracker())):
                    path.write_text("")
                    run(results, f"{name.partition('_')[0]}{number}", count, executor, tracker)
                    gaps_ms[name].append(round(1000.0 * statistics.median(gaps(path)), 2))
    median = {name: statistics.median(values) for name, values in gaps_ms.items()}
    return {**gaps_ms, "median_ms": median["mirrored_ms"], "target": TARGET_MS,
            "mirror_ratio": round(median["mirrored_ms"] / median["alone_ms"], 3)}


@contextmanager
def journal(folder: Path) -> Iterator[Path]:
    """Set the journal's file for the trials."""
    path, before = folder / "journal", os.environ.get(trials.JOURNAL)
    os.environ[trials.JOURNAL] = str(path)
    try:
        yield path
    finally:
        os.environ.pop(trials.JOURNAL) if before is None else os.environ.update({trials.JOURNAL: before})


def run(results: Path, name: str, count: int, executor: "Executor", tracker: Callable[[Store], Any]) -> None:
    """Run ``count`` trials, each with its own seed; raise RuntimeError unless every one finishes."""
    choice = Choice("bench")
    specs = [TrialSpec(choice, choice, choice, choice, (), seed=seed, steps=trials.STEPS) for seed in range(count)]
    store = Store(results, name)
    grid = Grid(Experiment(name, specs, (), tuple(range(count)), ReportSpec(), ""), store, trials.fingerprints)
    summary = run_trials(grid, store, executor, tracker(store), policy=Policy(retries=0))
    if summary.done != count:
        reasons = {record["reason"] for record in store.records() if record["reason"]}
        raise RuntimeError(f"{summary.done} of {count} trials finished; {', '.join(reasons)}")


def gaps(path: Path) -> list[float]:
    """Return the seconds from each trial's end to the next one's start."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [float(after[2]) - float(before[2]) for before, after in pairwise(lines)
            if (before[0], after[0]) == ("end", "begin")]
