"""What a plan will cost, worked out by hand."""

from dataclasses import replace

import pytest

from harness.config.spec import Choice
from harness.errors import UsageError
from harness.runner.estimate import STEPS, Cost, cost_class, estimate, finished_costs, measure
from harness.runner.executors.inline import Inline
from tests.runner.executors import fake


def record(spec, total, per_step, device="here", status="finished"):
    return {"status": status, "spec": spec.to_dict(), "environment": {"device": device},
            "cost": {"seconds_total": total, "seconds_per_step": per_step, "peak_memory_mb": 100.0 * total}}


def test_trials_of_one_class_differ_in_nothing_that_costs_time():
    spec = fake.spec(0, alpha=0.1)
    for same in (replace(spec, seed=3), replace(spec, steps=900), replace(spec, learning_rate=0.5),
                 fake.spec(0, alpha=0.9)):
        assert cost_class(same) == cost_class(spec)
    for other in (replace(spec, tokens=7), replace(spec, fusion=Choice("none")), replace(spec, precision="bf16"),
                  replace(spec, data=Choice("figures", {"views": 6}))):
        assert cost_class(other) != cost_class(spec)


def test_finished_trials_of_this_device_give_medians_and_others_count_for_nothing():
    spec = replace(fake.spec(), steps=10)
    other = replace(spec, tokens=7)
    records = [record(spec, 12.0, 1.0), record(spec, 14.0, 1.2), record(spec, 26.0, 1.4),
               record(spec, 1.0, 0.1, "there"), record(spec, 1.0, 0.1, status="failed"),
               record(other, 5.0, 0.5, "there")]
    costs = finished_costs(records, "here")
    assert list(costs) == [cost_class(spec)]
    assert costs[cost_class(spec)].fixed == pytest.approx(2.0)  # of 2, 2 and 12
    assert (costs[cost_class(spec)].per_step, costs[cost_class(spec)].memory_mb) == (1.2, 1400.0)


def test_the_total_is_of_what_is_known_and_the_rest_is_counted():
    spec = replace(fake.spec(), steps=10)
    specs, costs = [spec, replace(spec, steps=100), replace(spec, tokens=7)], {cost_class(spec): Cost(2.0, 0.5, 300.0)}
    found = estimate(specs, costs)
    assert (found.trials, found.unknown, found.memory_mb, found.gpu_memory_mb) == (3, 1, 300.0, 0.0)
    assert found.seconds == pytest.approx((2.0 + 5.0) + (2.0 + 50.0))


def test_a_measured_trial_is_short_and_its_first_step_is_no_measure():
    cost = measure(replace(fake.spec(), steps=1000), Inline("tests.runner.executors.fake:run"))
    # the fake's steps end at 0.1 s, 0.2 s, ...; it says that it took 0.25 s in all
    assert STEPS == 3
    assert cost.per_step == pytest.approx(0.1)
    assert cost.fixed == 0.0


def test_a_measured_trial_that_fails_says_so_in_one_line():
    with pytest.raises(UsageError, match="the measured trial failed: ValueError: it went wrong"):
        measure(fake.spec(0, raise_at=1), Inline("tests.runner.executors.fake:run"))
