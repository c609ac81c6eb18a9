"""Whether the coordinator's memory grows with the trials it has conducted: 2,000 cheap ones, in this process.

A cache or a pool fills up once, a leak goes on: the growth of the last half is measured, and told per trial. MLflow
takes longer than these trials do, so each reading waits until its mirror has caught up.
"""

import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _chaos import trials

from _bench.coordinator import journal
from harness.config.spec import Choice, Experiment, ReportSpec, TrialSpec
from harness.runner.coordinator import Policy, Progress, conduct
from harness.runner.executors.inline import Inline
from harness.search.grid import Grid
from harness.store.mlflow_server import connect, default_uri
from harness.store.mlflow_tracker import MlflowTracker
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.method.results import TrialResult
    from harness.search.trial_source import Planned

TARGET_MB = 10.0  # over the last half
PAGES_MB = 4096 / 2**20


class Watch(Progress):
    """Reads this process's memory after every so many trials."""

    def __init__(self, every: int, tracker: MlflowTracker) -> None:
        self._every, self._tracker, self._ended = every, tracker, 0
        self.megabytes: list[float] = []

    def finished(self, trial: "Planned", result: "TrialResult") -> None:
        """Note the memory when it is time."""
        self._ended += 1
        if self._ended % self._every == 0:
            while self._tracker.behind:
                time.sleep(0.01)
            gc.collect()
            self.megabytes.append(resident())


def measure(count: int = 2000) -> dict[str, Any]:
    """Return the memory in MB at every tenth of the trials, and how much the last half of them added."""
    plain = Choice("bench")
    specs = [TrialSpec(plain, plain, plain, plain, (), seed=seed, steps=trials.STEPS) for seed in range(count)]
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder, journal(Path(folder)):
        store = Store(Path(folder) / "results", "memory")
        connect(default_uri(store.results))
        grid = Grid(Experiment("memory", specs, (), tuple(range(count)), ReportSpec(), ""), store, trials.fingerprints)
        tracker = MlflowTracker(store)
        watch = Watch(max(1, count // 10), tracker)
        conduct(grid, store, Inline("_chaos.trials:run_at_once"), tracker, policy=Policy(retries=0), progress=watch)
    grown = watch.megabytes[-1] - watch.megabytes[len(watch.megabytes) // 2 - 1]
    return {"megabytes": [round(value, 1) for value in watch.megabytes], "grown_mb": round(grown, 2),
            "kb_per_trial": round(1024 * grown / (count / 2), 2), "target": TARGET_MB}


def resident() -> float:
    """Return this process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGES_MB
