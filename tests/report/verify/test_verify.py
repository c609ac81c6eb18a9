import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.cli._trial_files import reader
from harness.config.spec import RESULTS_VERSION, Choice, ReportSpec, TrialSpec
from harness.method.metrics.convergence import Convergence
from harness.method.metrics.pck import Pck
from harness.report.inputs import ReportInputs, make_report
from harness.report.statistics import effect_size, probability_of_improvement, sign_flip
from harness.report.verify.from_files import recompute_from_curve, recompute_from_points
from harness.report.verify.from_scores import (
    recompute_effect_size,
    recompute_holm,
    recompute_improvement,
    recompute_p,
    recompute_reachable,
    text_agrees,
)
from harness.report.verify.verify import _id, verify
from harness.store.store import Store
from tests.report.fakes import plain, record
from tests.report.recorded import SPREADS, keep_all, observed, result

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    keep_all(folder)
    return folder


@pytest.fixture
def report(results):
    return make_report(ReportInputs("probe", tuple(Store(results, "probe").records()), FUSION))


@pytest.mark.parametrize("seed", range(3))
def test_scores_come_out_again_from_points_and_curve(seed):
    seen, left = observed(seed), result(seed)
    points = {name: pd.Series(values).to_numpy() for name, values in left.points.items()}
    curve = {name: pd.Series(values).to_numpy() for name, values in left.curve.items()}
    scores = Pck()(seen)
    assert {f"pck_{name}@0.1" for name in SPREADS if name} | {"nme", "pck@0.2", "visible_points"} <= scores.keys()
    assert {name: recompute_from_points(points, name) for name in scores} == pytest.approx(scores, abs=1e-12)
    scores = Convergence()(seen)
    assert {"steps_to_90", "area_under_curve", "loss_final", "diverged"} <= scores.keys()
    assert {name: recompute_from_curve(curve, name) for name in scores} == pytest.approx(scores, abs=1e-12)


def test_a_curve_that_rises_has_diverged_and_no_steps():
    curve = {"loss": pd.Series(range(20), dtype=float).to_numpy()}
    assert recompute_from_curve(curve, "diverged") == 1.0
    assert recompute_from_curve(curve, "steps_to_90") is None


def test_steps_and_area_of_a_straight_line_by_hand():
    # Smoothed over 9 steps, a line from 100 to 0 starts at 98 and ends at 2: 90% of that drop is at 11.6, step 89.
    curve = {"loss": pd.Series(range(100, -1, -1), dtype=float).to_numpy()}
    assert recompute_from_curve(curve, "steps_to_90") == 89
    assert recompute_from_curve(curve, "area_under_curve") == pytest.approx(0.5)
    assert recompute_from_curve(curve, "loss_final") == 2


def test_every_cell_comes_out_again(results, report):
    done = verify(report, reader(results))
    assert done.mismatches == []
    assert done.cells == sum(bool(cell.interval) for table in report.tables for row in table.rows for cell in row.cells)
    assert done.scores["points"] > 90
    assert done.scores["curve"] > 20


def test_a_table_recomputed_with_plain_pandas_agrees(results, report):
    table = next(table for table in report.tables if table.name == "pck")
    store = Store(results, "probe")
    wanted = {name: [] for name in ("none", "concat", "blend")}
    for path in sorted(store.trials.iterdir()):
        points = pd.read_parquet(path / "points.parquet").query("visible")
        name = json.loads((path / "record.json").read_text())["spec"]["fusion"]["name"]
        wanted[name].append((json.loads((path / "record.json").read_text())["spec"]["seed"],
                             (points.error <= 0.1 * points.normaliser).mean()))
    shares = {name: pd.Series(dict(pairs)).sort_index() for name, pairs in wanted.items()}
    for row in table.rows[:3]:
        own, base = shares[row.labels[0]], shares["none"]
        cell = row.cells[1]
        assert cell.interval.mean == pytest.approx(own.mean(), abs=1e-9)
        assert cell.interval.half_width == pytest.approx(stats.t.ppf(0.975, 2) * own.sem(), abs=1e-9)
        if row.labels[0] != "none":
            assert cell.difference.interval.mean == pytest.approx((own - base).mean(), abs=1e-9)
            assert cell.difference.interval.half_width == pytest.approx(
                stats.ttest_rel(own, base).confidence_interval(0.95).high - (own - base).mean(), abs=1e-9)


def tampered(report, table, row, column, change):
    """Return a report with one cell changed."""
    tables = list(report.tables)
    at = next(i for i, each in enumerate(tables) if each.name == table)
    rows = list(tables[at].rows)
    j = next(j for j, each in enumerate(tables[at].columns) if each.score == column)
    i = next(i for i, each in enumerate(rows) if each.labels[0] == row)
    cells = list(rows[i].cells)
    cells[j] = change(cells[j])
    rows[i] = replace(rows[i], cells=tuple(cells))
    tables[at] = replace(tables[at], rows=tuple(rows))
    return replace(report, tables=tuple(tables))


def in_difference(change):
    return lambda cell: replace(cell, difference=change(cell.difference))


@pytest.mark.parametrize(("what", "change"), [
    ("value", lambda cell: replace(cell, values=(cell.values[0] + 2e-9, *cell.values[1:]))),
    ("mean", lambda cell: replace(cell, interval=replace(cell.interval, mean=cell.interval.mean + 2e-9))),
    ("half width", lambda cell: replace(cell, interval=replace(cell.interval, half_width=None))),
    ("mean", in_difference(lambda d: replace(d, interval=replace(d.interval, mean=d.interval.mean - 2e-9)))),
    ("p", in_difference(lambda d: replace(d, p=d.p / 2))),
    ("adjusted p", in_difference(lambda d: replace(d, adjusted=d.adjusted / 2))),
    ("reachable", in_difference(lambda d: replace(d, reachable=True))),
    ("effect size", in_difference(lambda d: replace(d, effect=d.effect + 2e-8))),
    ("effect size", in_difference(lambda d: replace(d, effect=None))),
    ("improvement", in_difference(lambda d: replace(d, improvement=1 - d.improvement))),
    ("n", lambda cell: replace(cell, interval=replace(cell.interval, count=4))),
    ("star", lambda cell: replace(cell, star=True)),
    ("best", lambda cell: replace(cell, best=not cell.best)),
    ("tied", lambda cell: replace(cell, tied=not cell.tied)),
    ("text", lambda cell: replace(cell, text="9.999±.001")),
    ("text", lambda cell: replace(cell, text=cell.text.split("±")[0])),
])
def test_what_does_not_come_out_again_is_named(results, report, what, change):
    wrong = verify(tampered(report, "pck", "concat", "pck@0.1", change), reader(results)).mismatches
    assert what in [each.what for each in wrong]
    assert all(each.cell.startswith("pck | ") for each in wrong)
    if what == "value":
        (first, *_) = wrong
        assert (first.cell, first.trial in report.records) == ("pck | concat | PCK@0.1", True)
        assert first.printed - first.recomputed == pytest.approx(2e-9, rel=1e-3)


def test_an_id_that_is_not_of_its_setting_is_named(results, report):
    trial = next(iter(report.records))
    record = {**report.records[trial], "spec": {**report.records[trial]["spec"], "tokens": 7}}
    wrong = verify(replace(report, records={**report.records, trial: record}), reader(results)).mismatches
    assert [(each.what, each.trial) for each in wrong] == [("id", trial)]


def test_references_are_taken_from_their_own_columns(results, report):
    change = lambda cell: replace(cell, values=(0.0, *cell.values[1:]))  # noqa: E731
    wrong = verify(tampered(report, "pck", "untrained tokens", "pck_regressed@0.1", change), reader(results)).mismatches
    assert [each.cell for each in wrong] == ["pck | untrained tokens | regr.@0.1"]


def of_scores(levels, seeds, layout=FUSION):
    """Return a report of made-up scores that no file holds: ``levels`` gives each fusion's by seed."""
    return make_report(ReportInputs("fake", tuple(
        {**record(plain(seed, fusion={"name": name}), {"pck@0.1": level(seed)}), "files": {}}
        for name, level in levels.items() for seed in range(seeds)), layout))


def wrong_of(report):
    return [each for each in verify(report, lambda record, name: {}).mismatches if each.what != "id"]


def test_p_of_more_seeds_is_retaken_as_far_as_all_patterns_are_tried_and_counted_beyond():
    levels = {"none": lambda seed: 0.5, "blend": lambda seed: 0.5 + 0.01 * (seed % 5 - 1)}
    for seeds, drawn in ((14, 0), (16, 0), (17, 1)):
        report = of_scores(levels, seeds)
        assert wrong_of(report) == []
        assert verify(report, lambda record, name: {}).sampled_p == drawn
        shift = in_difference(lambda d: replace(d, p=0.99 * d.p, adjusted=0.99 * d.p))
        found = [each.what for each in wrong_of(tampered(report, "pck", "blend", "pck@0.1", shift))]
        assert found == ([] if drawn else ["p", "adjusted p"])


def test_a_star_that_is_taken_away_or_given_without_a_test_is_named():
    report = of_scores({"none": lambda seed: 0.5, "blend": lambda seed: 0.75 + seed / 64}, 7)  # p = 1/64
    assert report.tables[0].rows[1].cells[0].star
    other = lambda cell: replace(cell, star=not cell.star)  # noqa: E731
    for row in ("none", "blend"):
        assert [each.what for each in wrong_of(tampered(report, "pck", row, "pck@0.1", other))] == ["star"]


def test_marks_of_every_row_are_retaken():
    levels = {"none": lambda seed: (0.5, 0.6, 0.4)[seed], "concat": lambda seed: (0.6, 0.8, 0.4)[seed],
              "blend": lambda seed: 0.9 + seed / 100}
    report = of_scores(levels, 3)
    marks = [(row.cells[0].best, row.cells[0].tied) for row in report.tables[0].rows]
    assert marks == [(False, False), (False, True), (True, False)]  # 0.9 - 0.6, 0.11, 0.52: 0.31 +- 0.509
    assert wrong_of(report) == []
    other = lambda cell: replace(cell, tied=not cell.tied)  # noqa: E731
    for row in levels:
        assert [each.what for each in wrong_of(tampered(report, "pck", row, "pck@0.1", other))] == ["tied"]


def test_an_effect_is_retaken_with_its_size_and_improvement():
    report = of_scores({"none": lambda seed: 0.5 + seed / 8, "blend": lambda seed: 0.6 + seed / 4}, 3,
                       ReportSpec(("fusion",), effects=("fusion",)))
    assert wrong_of(report) == []
    for what, change in (("effect size", {"effect": 9.0}), ("improvement", {"improvement": 0.0}), ("p", {"p": 0.9})):
        made = tampered(report, "effects", "fusion", "pck@0.1",
                        in_difference(lambda d, change=change: replace(d, **change)))
        assert [each.what for each in wrong_of(made)] == [what]


def test_statistics_by_hand():
    assert recompute_p([1.0, 2.0, 0.0]) == 4 / 8  # of 2^3 patterns those with both signs alike
    assert recompute_p([1.0] * 16) == 2 / 2**16
    assert recompute_p([1.0] * 17) is None
    # gamma(1) / gamma(1/2) times 2 / 1
    assert recompute_effect_size([1.0, 2.0, 3.0]) == pytest.approx(2 / math.sqrt(math.pi))
    assert (recompute_effect_size([1.0, 2.0]), recompute_effect_size([0.1, 0.1, 0.1])) == (None, None)
    assert recompute_improvement([1.0, 2.0], [1.0, 0.0], 1) == 3.5 / 4
    assert recompute_improvement([1.0, 2.0], [1.0, 0.0], -1) == 0.5 / 4
    assert recompute_holm([0.03, 0.01, 0.02, 0.5]) == pytest.approx([0.06, 0.04, 0.06, 0.5])
    assert recompute_reachable([6, 3]) == [False, False]  # the smaller of 2/2^6 and 2/2^3, times 2
    assert recompute_reachable([7, 3]) == [True, False]


@pytest.mark.parametrize("count", [3, 5, 16])
def test_statistics_agree_with_those_that_the_tables_show(count):
    rng = np.random.default_rng(count)
    gaps, other = rng.integers(-3, 5, count) / 8, rng.integers(-3, 5, count) / 8  # with ties
    assert recompute_p(gaps.tolist()) == sign_flip(gaps)[0]
    assert recompute_effect_size(gaps.tolist()) == pytest.approx(effect_size(gaps.tolist()), rel=1e-12)
    expected = probability_of_improvement(gaps, other, -1)
    assert recompute_improvement(gaps, other, -1) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("text", "expected"), [
    ("0.205±.064", True), ("+0.205±.064 (3)", True), ("0.205±.064 (2)", False), ("0.204±.064", False),
    ("0.205±.063", False), ("0.205", False), ("2.051e-01±6.4e-02", True), ("1", False), ("\N{EM DASH}", False),
])
def test_a_text_says_its_numbers_or_not(text, expected):
    assert text_agrees(text, 0.2051, 0.0639, 3) is expected


def test_a_share_and_a_largest_value_are_read_too():
    assert [text_agrees(text, 1 / 3, 0.9, 3) for text in ("1/3", "2/3", "1/2")] == [True, False, False]
    assert [text_agrees("1.9e-08", mean, None, 3) for mean in (1.92e-8, 1.96e-8)] == [True, False]


def test_the_id_is_recomputed_without_settings_that_came_later_at_their_defaults():
    spec = TrialSpec(Choice("tiny_sd"), Choice("figures"), Choice("none"), Choice("all"), (Choice("nvs"),))
    for each in (spec, replace(spec, text_bias=-2.0)):
        record = {"spec": each.to_dict(), "fingerprints": {"data": "d", "weights": "w"},
                  "results_version": RESULTS_VERSION}
        assert _id(record) == each.id("d", "w")
