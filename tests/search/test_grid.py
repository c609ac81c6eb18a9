"""The plan of a grid: order, ids and the trials left to run."""

from dataclasses import replace

import pytest

from harness.config.spec import Choice, Experiment, ReportSpec
from harness.search.grid import Grid
from harness.search.labels import Labels
from harness.store.store import Store
from tests.runner.executors import fake


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "quick")


def grid(store, *specs, axes=(), fingerprints=fake.fingerprints, **options):
    return Grid(Experiment("quick", specs, axes, (0,), ReportSpec(), "quick.yaml"), store, fingerprints, **options)


def finish(store, spec):
    store.save(spec.id("d0", "w0"), spec, fake.result(spec), {}, {})


def rest(source):
    trials = []
    while not source.exhausted():
        trials.append(source.next())
    assert source.next() is None
    return trials


def test_the_plan_keeps_the_order_drops_repeats_and_asks_once_per_choice(store):
    asked = []

    def fingerprints(spec):
        asked.append(spec.seed)
        return fake.FINGERPRINTS

    specs = [fake.spec(2), fake.spec(0), fake.spec(2), fake.spec(1, strength=0.5)]
    source = grid(store, *specs, axes=("fusion", "fusion.strength", "losses"), fingerprints=fingerprints)
    trials = list(source)
    assert [trial.label for trial in trials] == [
        "fusion=fake losses=sharpening seed=2", "fusion=fake losses=sharpening seed=0",
        "fusion=fake fusion.strength=0.5 losses=sharpening seed=1"]
    assert [trial.id for trial in trials] == [specs[i].id("d0", "w0") for i in (0, 1, 3)]
    assert {trial.status for trial in trials} == {"missing"}
    assert (source.total, source.done) == (3, 0)
    assert asked == [2]


def test_another_model_is_asked_for_its_own_fingerprints(store):
    first = fake.spec()
    second = type(first)(**{**vars(first), "model": Choice("other", {})})
    trials = list(grid(store, first, second, fingerprints=lambda spec: {"data": "d", "weights": spec.model.name}))
    assert [trial.fingerprints["weights"] for trial in trials] == ["fake", "other"]


def test_what_is_finished_is_counted_and_not_given_again(store):
    specs = [fake.spec(seed) for seed in range(3)]
    finish(store, specs[1])
    store.fail(specs[2].id("d0", "w0"), specs[2], "no", {})
    source = grid(store, *specs)
    assert [trial.status for trial in source] == ["missing", "finished", "failed"]
    assert (source.total, source.done) == (3, 1)
    assert [trial.label for trial in rest(source)] == ["seed=0", "seed=2"]


def test_forced_everything_is_given(store):
    specs = [fake.spec(seed) for seed in range(2)]
    finish(store, specs[0])
    source = grid(store, *specs, force=True)
    assert (source.total, source.done) == (2, 0)
    assert [trial.label for trial in rest(source)] == ["seed=0", "seed=1"]


def test_a_label_names_choices_knobs_and_losses():
    spec = fake.spec(3, alpha=0.25)
    axes = ("fusion", "fusion.alpha", "fusion.beta", "losses", "losses.sharpening.weight", "steps")
    assert Labels(axes).of(spec) == ("fusion=fake fusion.alpha=0.25 losses=sharpening losses.sharpening.weight=100.0 "
                                 "steps=4 seed=3")


def test_labels_of_one_name_say_the_knobs_that_tell_them_apart():
    specs = [fake.spec(0, alpha=alpha) for alpha in (0.25, 0.5)]
    specs += [replace(specs[0], losses=(Choice("sharpening", {"weight": weight}),)) for weight in (1.0, 3.0)]
    labels = Labels(("fusion", "losses"), specs)
    texts = [labels.of(spec) for spec in specs]
    assert len(set(texts)) == 4
    assert texts[1] == "fusion=fake alpha=0.5 losses=sharpening weight=100 seed=0"
    assert Labels(("fusion", "fusion.alpha"), specs).of(specs[0]) == "fusion=fake fusion.alpha=0.25 seed=0"
