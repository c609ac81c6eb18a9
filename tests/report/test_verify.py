import json
from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from harness.commands._files import reader
from harness.metrics.convergence import Convergence
from harness.metrics.pck import Pck
from harness.report.parts import Part, reported
from harness.report.recompute import from_curve, from_points
from harness.report.verify import verify
from harness.spec import ReportSpec
from harness.store import Store

from .recorded import SPREADS, keep_all, observed, result

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    keep_all(folder)
    return folder


@pytest.fixture
def report(results):
    return reported(Part("probe", tuple(Store(results, "probe").records()), FUSION))


@pytest.mark.parametrize("seed", range(3))
def test_scores_come_out_again_from_points_and_curve(seed):
    seen, left = observed(seed), result(seed)
    points = {name: pd.Series(values).to_numpy() for name, values in left.points.items()}
    curve = {name: pd.Series(values).to_numpy() for name, values in left.curve.items()}
    scores = Pck()(seen)
    assert {f"pck_{name}@0.1" for name in SPREADS if name} | {"nme", "pck@0.2", "visible_points"} <= scores.keys()
    assert {name: from_points(points, name) for name in scores} == pytest.approx(scores, abs=1e-12)
    scores = Convergence()(seen)
    assert {"steps_to_90", "area_under_curve", "loss_final", "diverged"} <= scores.keys()
    assert {name: from_curve(curve, name) for name in scores} == pytest.approx(scores, abs=1e-12)


def test_a_curve_that_rises_has_diverged_and_no_steps():
    curve = {"loss": pd.Series(range(20), dtype=float).to_numpy()}
    assert from_curve(curve, "diverged") == 1.0
    assert from_curve(curve, "steps_to_90") is None


def test_steps_and_area_of_a_straight_line_by_hand():
    # Smoothed over 9 steps, a line from 100 to 0 starts at 98 and ends at 2: 90% of that drop is at 11.6, step 89.
    curve = {"loss": pd.Series(range(100, -1, -1), dtype=float).to_numpy()}
    assert from_curve(curve, "steps_to_90") == 89
    assert from_curve(curve, "area_under_curve") == pytest.approx(0.5)
    assert from_curve(curve, "loss_final") == 2


def test_every_cell_comes_out_again(results, report):
    done = verify(report, reader(results))
    assert done.wrong == []
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
])
def test_what_does_not_come_out_again_is_named(results, report, what, change):
    wrong = verify(tampered(report, "pck", "concat", "pck@0.1", change), reader(results)).wrong
    assert what in [each.what for each in wrong]
    assert all(each.cell.startswith("pck | ") for each in wrong)
    if what == "value":
        (first, *_) = wrong
        assert (first.cell, first.trial in report.records) == ("pck | concat | PCK@0.1", True)
        assert first.printed - first.found == pytest.approx(2e-9, rel=1e-3)


def test_an_id_that_is_not_of_its_setting_is_named(results, report):
    trial = next(iter(report.records))
    record = {**report.records[trial], "spec": {**report.records[trial]["spec"], "tokens": 7}}
    wrong = verify(replace(report, records={**report.records, trial: record}), reader(results)).wrong
    assert [(each.what, each.trial) for each in wrong] == [("id", trial)]


def test_references_are_taken_from_their_own_columns(results, report):
    change = lambda cell: replace(cell, values=(0.0, *cell.values[1:]))  # noqa: E731
    wrong = verify(tampered(report, "pck", "untrained tokens", "pck_regressed@0.1", change), reader(results)).wrong
    assert [each.cell for each in wrong] == ["pck | untrained tokens | regr.@0.1"]
