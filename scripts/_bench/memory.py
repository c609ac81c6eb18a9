"""The growth of the coordinator's memory over 2,000 cheap trials in this process.

A cache or a pool fills up once, a leak goes on: the growth over the last half is measured. MLflow takes longer than
these trials, so each measurement waits until the mirror has no backlog.
"""

import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _chaos import trials

from _bench.coordinator import journal
from harness.config.spec import Choice, Experiment, ReportSpec, TrialSpec
from harness.runner.coordinator import Policy, Progress, run_trials
from harness.runner.executors.inline import Inline
from harness.search.grid import Grid
from harness.store.mlflow_server import connect, default_uri
from harness.store.mlflow_tracker import MlflowTracker
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.method.results import TrialResult
    from harness.search.trial_source import PlannedTrial

TARGET_MB = 10.0  # over the last half
PAGES_MB = 4096 / 2**20


class Watch(Progress):
    """Measures this process's memory after every ``every`` trials."""

    def __init__(self, every: int, tracker: MlflowTracker) -> None:
        self._every, self._tracker, self._ended = every, tracker, 0
        self.megabytes: list[float] = []

    def finished(self, trial: "PlannedTrial", result: "TrialResult") -> None:
        """Measure the memory if it is due."""
        self._ended += 1
        if self._ended % self._every == 0:
            while self._tracker.backlog:
                time.sleep(0.01)
            gc.collect()
            self.megabytes.append(resident())


def measure(count: int = 2000) -> dict[str, Any]:
    """Return the memory in MB after each tenth of the trials, and its growth over the last half."""
    choice = Choice("bench")
    specs = [TrialSpec(choice, choice, choice, choice, (), seed=seed, steps=trials.STEPS) for seed in range(count)]
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder, journal(Path(folder)):
        store = Store(Path(folder) / "results", "memory")
        connect(default_uri(store.results))
        grid = Grid(Experiment("memory", specs, (), tuple(range(count)), ReportSpec(), ""), store, trials.fingerprints)
        tracker = MlflowTracker(store)
        watch = Watch(max(1, count // 10), tracker)
        run_trials(grid, store, Inline("_chaos.trials:run_at_once"), tracker, policy=Policy(retries=0), progress=watch)
    growth = watch.megabytes[-1] - watch.megabytes[len(watch.megabytes) // 2 - 1]
    return {"megabytes": [round(value, 1) for value in watch.megabytes], "grown_mb": round(growth, 2),
            "kb_per_trial": round(1024 * growth / (count / 2), 2), "target": TARGET_MB}


def resident() -> float:
    """Return this process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGES_MB
