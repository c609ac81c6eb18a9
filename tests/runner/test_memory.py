"""What the coordinator keeps of trials that have ended, told by tracemalloc: no clock, no other process's memory.

Each count runs in a fresh process: where earlier tests have filled a cache, each new entry drives out one from before
the count, and looks like growth.
"""

import gc
import multiprocessing
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import pytest

from harness.config.spec import Experiment, ReportSpec
from harness.runner.coordinator import Progress, run_trials
from harness.runner.executors.inline import Inline
from harness.search.grid import Grid
from harness.store.mlflow_server import connect, default_uri
from harness.store.mlflow_tracker import MlflowTracker, Tracker
from harness.store.store import Store
from tests.runner.executors import fake


class Watch(Progress):
    """Notes how much memory lives after certain numbers of trials, once the mirror has caught up."""

    def __init__(self, *at, tracker=None):
        self.at, self.tracker, self.ended, self.live = at, tracker, 0, []

    def finished(self, trial, result):
        self.ended += 1
        if self.ended in self.at:
            while self.tracker and self.tracker.backlog:
                time.sleep(0.01)
            del trial, result
            gc.collect()
            self.live.append(tracemalloc.get_traced_memory()[0])


def bytes_per_trial(store, tracker, begin, end):
    """Return by how much live memory grows with each trial, from the ``begin``th to the ``end``th.

    It is the lesser of two halves: what is kept of each trial grows both, what is made once (a buffer, a cache) only
    one of them.
    """
    middle = (begin + end) // 2
    specs = [fake.spec(seed) for seed in range(end + 1)]
    for spec in specs:
        spec.to_dict()
    grid = Grid(Experiment("quick", specs, (), (0,), ReportSpec(), ""), store, fake.fingerprints)
    watch = Watch(begin, middle, end, tracker=tracker)
    tracemalloc.start()
    try:
        run_trials(grid, store, Inline("tests.runner.executors.fake:run"), tracker or Tracker(), progress=watch)
    finally:
        tracemalloc.stop()
    first, second, third = watch.live
    return min((second - first) / (middle - begin), (third - second) / (end - middle))


def of_the_coordinator(folder):
    return bytes_per_trial(Store(folder / "results", "quick"), None, 80, 300)


def of_the_mirror(folder):
    store = Store(folder / "results", "quick")
    connect(default_uri(store.results))
    return bytes_per_trial(store, MlflowTracker(store), 40, 100)


def in_a_fresh_process(count, folder):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(count, folder).result()


def test_of_a_trial_that_has_ended_its_id_alone_is_kept(tmp_path):
    # An id is 65 bytes; the set it is in has room for 306 from the 77th on; the rest is noise.
    assert 50 < in_a_fresh_process(of_the_coordinator, tmp_path) < 200


@pytest.mark.slow
def test_the_mirror_keeps_which_attempts_are_whole_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # An id, when it was started, and the pair of both: 300 bytes, and 60 KB of noise; MLflow's client would keep 9 KB.
    assert in_a_fresh_process(of_the_mirror, tmp_path) < 3000
