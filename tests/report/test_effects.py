from dataclasses import replace

import pytest

from harness.commands._files import reader
from harness.plugins import UsageError
from harness.report import latex, markdown, plain
from harness.report.figures import source
from harness.report.html import Content
from harness.report.html._trial import Trial
from harness.report.parts import Part, reported
from harness.report.tables import build
from harness.report.verify import verify
from harness.spec import ReportSpec
from harness.store import Store
from tests.test_config import load

from . import fakes
from .recorded import keep_spec, spec_of

LAYOUT = ReportSpec(("model", "view_pass"), {}, (), ("pck@0.1",), ("model.scaling", "view_pass"))
MODEL = {"name": "tiny_zero123plus", "embedding": True, "reference": "both"}


def factorial(seeds=6, scaling=0.1, canvas=-0.02, both=0.0, skip=()):
    """Return records of a 2 x 2 factorial whose effects are known, and of a model without the switch."""
    found = []
    for seed in range(seeds):
        for on in (False, True):
            for view_pass in ("batch", "canvas"):
                if (seed, on, view_pass) in skip:
                    continue
                wide = view_pass == "canvas"
                level = 0.4 + 0.01 * seed + scaling * on + canvas * wide + both * (on and wide)
                spec = fakes.plain(seed, model={**MODEL, "scaling": on}, view_pass=view_pass)
                found.append(fakes.record(spec, {"pck@0.1": level, "entropy": 0.9}))
        found.append(fakes.record(fakes.plain(seed, view_pass="batch"), {"pck@0.1": 0.5, "entropy": 0.9}))
    return found


def effects(records, layout=LAYOUT):
    return next((table for table in build(records, layout) if table.name == "effects"), None)


def test_effects_are_means_over_pairs_then_seeds():
    table = effects(factorial(both=0.04))
    assert [row.labels for row in table.rows] == [("model.scaling", "false → true"), ("view_pass", "batch → canvas")]
    assert table.rows[0].cells[0].interval.mean == pytest.approx(0.1 + 0.04 / 2)
    assert table.rows[1].cells[0].interval.mean == pytest.approx(-0.02 + 0.04 / 2)
    assert table.rows[0].cells[0].interval.half_width == pytest.approx(0, abs=1e-9)
    assert len(table.rows[0].cells[0].pairs) == 12  # two pairs of settings, six seeds
    assert "Pairs: model.scaling false → true: 2; view_pass batch → canvas: 2" in " ".join(table.notes)


def test_a_seed_that_a_pair_lacks_does_not_count():
    table = effects(factorial(skip={(2, True, "canvas")}, both=0.04))
    assert table.rows[0].seeds == 5
    assert table.rows[0].cells[0].interval.mean == pytest.approx(0.12)


def test_stars_take_enough_seeds():
    assert [row.cells[0].star for row in effects(factorial(seeds=7)).rows] == [True, True]  # 2 tests of p = 1/64
    few = effects(factorial(seeds=6))
    assert not any(row.cells[0].star for row in few.rows)
    assert "n too small" in " ".join(few.notes)
    assert "it takes 7" in " ".join(few.notes)


def test_scores_that_are_not_tested_are_shown_without_a_star():
    cells = effects(factorial(seeds=7)).rows[0].cells
    assert [cell.star for cell in cells] == [True, False]
    assert cells[1].difference.adjusted is None
    every = effects(factorial(seeds=7), replace(LAYOUT, tests=()))
    assert "over the table's 4 tests" in " ".join(every.notes)


def test_no_table_where_nothing_is_asked_and_a_note_where_nothing_differs():
    assert effects(factorial(), replace(LAYOUT, effects=())) is None
    assert effects(factorial(), replace(LAYOUT, effects=("steps",))) is None
    notes = effects(factorial(), replace(LAYOUT, effects=("steps", "view_pass"))).notes
    assert any("No two settings differ in nothing but: steps" in note for note in notes)


def test_every_format_shows_it_and_verifies(tmp_path):
    for seed in range(3):
        for fusion in ("none", "concat"):
            for steps in (40, 80):
                keep_spec(tmp_path, "probe", spec_of(seed, fusion, steps=steps), 1 + 0.2 * (fusion == "concat"))
    layout = ReportSpec(("fusion", "steps"), {}, (), (), ("fusion.name", "steps"))
    report = reported(Part("probe", tuple(Store(tmp_path, "probe").records()), layout))
    table = report.tables[-1]
    assert table.name == "effects"
    for text in (markdown.render([table]), latex.render([table]), plain.to_csv([table])):
        assert "concat" in text
    assert plain.to_json([table])[0]["rows"][0]["scores"]["pck@0.1"]["pairs"]
    read = reader(tmp_path)
    assert verify(report, read).wrong == []
    cell = table.rows[0].cells[0]
    forged = replace(cell, interval=replace(cell.interval, mean=cell.interval.mean + 0.01))
    rows = (replace(table.rows[0], cells=(forged, *table.rows[0].cells[1:])), *table.rows[1:])
    wrong = verify(replace(report, tables=(*report.tables[:-1], replace(table, rows=rows))), read).wrong
    assert [each.what for each in wrong] == ["mean"]


def test_effects_are_no_settings_of_figures_and_pages():
    records = factorial()
    tables = build(records, LAYOUT)
    assert tables[-1].settings == ()
    known = {each["id"]: each for each in records}
    drawn = source(tables, known, lambda record, name: {})
    assert len(drawn.every) == 5
    content = Content("probe", tables, {trial: Trial(record) for trial, record in known.items()})
    assert len(content.settings) == 5


def test_a_setting_that_no_two_trials_differ_in_is_refused(tmp_path):
    text = "name: probe\ngrid: {fusion: [none, concat]}\nreport: {effects: [steps]}\n"
    with pytest.raises(UsageError, match=r"report\.effects: no two trials differ in a setting 'steps'"):
        load(tmp_path, text)
