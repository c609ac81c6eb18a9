import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from _bench.workers import TARGET, measure


@pytest.mark.slow
def test_the_ratio_is_that_of_the_seconds():
    found = measure(trials=2, rounds=1, steps=2)
    (alone,), (shared,) = found["one_worker_s"], found["two_workers_s"]
    assert found["target"] == TARGET
    assert found["ratio"] == pytest.approx(alone / shared, rel=0.05)  # the seconds are rounded to milliseconds
