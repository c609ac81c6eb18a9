"""Samplers compared on searches that cost nothing."""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import compare_samplers
from _samplers import studies, verdict
from _samplers.studies import Course

from harness.report.statistics import Interval
from harness.search import study_storage
from harness.search.outcome import TriedSetting
from harness.store.store import Store
from tests.runner.executors import fake
from tests.search import synthetic

HUNT = """\
name: hunt
trial: {model: tiny_sd, data: {name: figures, views: 1}, steps: 2, fit_scenes: 2}
seeds: 1
search:
  sampler: {name: tpe, startup: 4}
  space:
    fusion: [none, {name: blend, alpha: {low: 0, high: 1}}]
    learning_rate: {low: 1e-3, high: 1e-1, log: true}
  budget: {trials: 12, minutes: 5}
"""


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """A database without studies, made once: it takes as long as ten searches."""
    path = tmp_path_factory.mktemp("storage") / "study.db"
    study_storage._create(path)
    return path


@pytest.fixture
def compare(tmp_path, monkeypatch, blank):
    """Return a function that compares in an empty folder, with trials replaced; ``journal`` notes each that ran."""
    monkeypatch.setattr(study_storage, "_create", lambda place: shutil.copy(blank, place))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setenv(synthetic.JOURNAL, str(tmp_path / "journal"))
    monkeypatch.setattr("harness.method.trial.run", synthetic.run)
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", fake.fingerprints)
    Path("hunt.yaml").write_text(HUNT)
    return lambda *given: compare_samplers.main(["hunt.yaml", "--executor", "inline", *given])


def test_searches_of_one_seed_begin_alike_and_no_trial_runs_twice(compare, capsys):
    assert compare("--seeds", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == 12
    for seed in range(2):
        tpe, chance = (found["samplers"][name]["best_so_far"][seed] for name in ("tpe", "random"))
        assert tpe[:4] == chance[:4]  # the startup settings
        assert tpe == sorted(tpe)
    starts = [found["samplers"]["tpe"]["best_so_far"][seed][0] for seed in range(2)]
    assert starts[0] != starts[1]
    ran = synthetic.journal(Path("journal"))
    assert max(Counter(ran).values()) == 1
    assert len(ran) <= 4 * 12 - 2 * 4
    for name in ("tpe-0", "random-0", "tpe-1", "random-1"):
        records = Store(f"results/samplers/{name}", "hunt").records()
        assert [record["status"] for record in records] == ["finished"] * 12
    assert compare("--seeds", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    assert len(synthetic.journal(Path("journal"))) == len(ran)


def test_the_table_tells_both_samplers_their_difference_and_the_verdict(compare, capsys):
    assert compare("--seeds", "2", "--trials", "5") == 0
    out = capsys.readouterr().out
    assert out.startswith("### pck_fit@0.1 (maximize) after 5 trials, 2 sampler seeds")
    heads, _, tpe, chance, less = [line for line in out.splitlines() if line.startswith("|")]
    assert "test pck@0.1 of the best" in heads
    assert (tpe.split()[1], chance.split()[1], less.split()[1:4]) == ("tpe", "random", ["tpe", "-", "random"])
    assert "cannot be told from 2 sampler seeds; 6 are the fewest" in out.splitlines()[-1]


@pytest.mark.slow
def test_a_grid_that_begins_at_the_best_setting_beats_random(compare, capsys):
    rates = [0.01, *(round(0.02 + 0.001 * i, 3) for i in range(90))]  # the best one first
    best = ("--set", f"search.space={{learning_rate: {rates}}}")
    assert compare("--samplers", "grid", "random", "--seeds", "6", "--trials", "1", *best) == 0
    out = capsys.readouterr().out
    assert "(p=0.031)" in out
    assert out.splitlines()[-1] == "grid beats random."


def test_an_interrupted_comparison_goes_on(compare, capsys, monkeypatch):
    ran = []

    def interrupting(spec, on_step, options):
        ran.append(spec.id("d0", "w0"))
        if len(ran) == 15:
            os.kill(os.getpid(), signal.SIGINT)
        return synthetic.run(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", interrupting)
    assert compare("--seeds", "2") == 75
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1], len(ran)) == ("", "The same command goes on.", 15)
    assert compare("--seeds", "2") == 0
    assert len(set(ran)) == len(ran)


@pytest.mark.parametrize(("given", "reason"), [
    (("--samplers", "tpe", "randon"), "did you mean 'random'"),
    (("--set", "search.objective=[pck_fit@0.1, nvs_loss]"), "compared by one objective, not 2"),
    (("--set", "search.budget={minutes: 1}"), "say how many with --trials"),
])
def test_wrong_use_is_one_line(compare, capsys, given, reason):
    assert compare(*given) == 2
    assert reason in capsys.readouterr().err
    assert not Path("results").exists()


def test_the_course_counts_the_trials_of_each_setting(tmp_path):
    store = Store(tmp_path, "hunt")
    specs = [fake.spec(seed) for seed in range(5)]
    ids = [spec.id("d0", "w0") for spec in specs]
    for spec, trial in zip(specs, ids, strict=True):
        store.save(trial, spec, fake.result(spec), {}, {})
    settings = [TriedSetting(0, {}, (ids[0], ids[1]), "finished", (0.25,), 2),
                TriedSetting(1, {}, (ids[2], "-"), "pruned", (0.9,), 1),
                TriedSetting(2, {}, (ids[3], ids[4]), "finished", (0.5,), 2)]
    assert studies.course(settings, store, 6, 1) == (None, 0.25, 0.25, 0.25, 0.5, 0.5)
    assert studies.course(settings, store, 6, -1) == (None, 0.25, 0.25, 0.25, 0.25, 0.25)


def test_areas_begin_where_every_search_has_a_value():
    courses = {"tpe": [Course((None, 0.25, 0.75), 0.5)], "random": [Course((0.125, 0.125, 0.25), None)]}
    found = verdict.measured(courses)
    assert (found["tpe"].final, found["tpe"].area, found["tpe"].test) == ((0.75,), (0.5,), (0.5,))
    assert (found["random"].final, found["random"].area, found["random"].test) == ((0.25,), (0.1875,), ())
    with pytest.raises(ValueError, match="without a finished setting"):
        verdict.measured({"tpe": [Course((None,), None)]})


def test_a_verdict_needs_enough_seeds_and_a_small_p():
    (clear,) = verdict.differences([1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [[0.5] * 6])
    assert (round(clear.interval.mean, 6), clear.p) == (0.75, 2**-5)
    assert verdict.verdict("tpe", "random", clear, 1, 1) == "tpe beats random."
    assert verdict.verdict("tpe", "random", clear, -1, 1) == "random beats tpe."
    unclear = verdict.Difference(Interval(0.1, 0.2, 6), 0.5)
    assert verdict.verdict("tpe", "random", unclear, 1, 1).startswith("Neither is shown to beat the other")
    few = verdict.Difference(Interval(0.1, 0.05, 3), 0.25)
    assert verdict.verdict("tpe", "random", few, 1, 1) == (
        "Whether tpe beats random cannot be told from 3 sampler seeds; 6 are the fewest.")
