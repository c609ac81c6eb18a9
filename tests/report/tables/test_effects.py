from dataclasses import replace

import pytest

from harness.cli._trial_files import reader
from harness.config.spec import ReportSpec
from harness.errors import UsageError
from harness.report.figures import source
from harness.report.html import Content
from harness.report.html._setting_page import TrialSection
from harness.report.inputs import ReportInputs, make_report
from harness.report.tables.build import build
from harness.report.verify.verify import verify
from harness.report.writers import csv_json, latex, markdown
from harness.store.store import Store
from tests.config.test_load import load
from tests.report import fakes
from tests.report.recorded import keep_spec, spec_of

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


def levels(path, values, scores, seeds=2, weights=(), **more):
    """Return records of settings that differ in one, each with its score in every seed."""
    return [fakes.record(fakes.plain(seed, **{path: value}, **more), {"pck@0.1": score},
                         fingerprints={"data": "d1", "weights": weights[i] if weights else "w1"},
                         id=f"{path} {i} {seed}")
            for i, (value, score) in enumerate(zip(values, scores, strict=True)) for seed in range(seeds)]


def shown(table):
    return [(*row.labels, row.cells[0].text.split("±")[0]) for row in table.rows]


def test_settings_of_other_weights_never_pair():
    records = levels("view_pass", ["batch", "canvas", "batch"], [0.3, 0.3, 0.6], weights=["w1", "w1", "w2"])
    table = effects(records, ReportSpec(("view_pass",), effects=("view_pass",)))
    assert shown(table) == [("view_pass", "batch → canvas", "+0.000")]
    assert {trial for pair in table.rows[0].cells[0].pairs for trial in pair} == {
        "view_pass 0 0", "view_pass 0 1", "view_pass 1 0", "view_pass 1 1"}
    lone = levels("view_pass", ["canvas", "batch"], [0.3, 0.6], weights=["w1", "w2"])
    assert effects(lone, ReportSpec(("view_pass",), effects=("view_pass",))) is None


def test_another_model_has_its_own_weights_but_only_where_there_is_no_choice_of_them():
    models, layout = [{"name": "tiny_sd"}, {"name": "tiny_turbo"}], ReportSpec(("model",), effects=("model",))
    assert shown(effects(levels("model", models, [0.3, 0.4], weights=["w1", "w2"]), layout)) == [
        ("model", "tiny_sd → tiny_turbo", "+0.100")]
    three = [models[0], *models]
    assert effects(levels("model", three, [0.1, 0.3, 0.4], weights=["w0", "w1", "w2"]), layout) is None
    assert shown(effects(levels("model", three, [0.1, 0.3, 0.4], weights=["w0", "w1", "w1"]), layout)) == [
        ("model", "tiny_sd → tiny_turbo", "+0.100")]


def test_knobs_tell_changes_of_one_name_apart():
    fusions = [{"name": "none"}, {"name": "blend", "alpha": 0.3}, {"name": "blend", "alpha": 0.6}]
    table = effects(levels("fusion", fusions, [0.5, 0.6, 0.7]), ReportSpec(("fusion",), effects=("fusion",)))
    assert shown(table) == [("fusion", "none → blend alpha=0.3", "+0.100"),
                            ("fusion", "none → blend alpha=0.6", "+0.200")]
    assert "Pairs: fusion none → blend alpha=0.3: 1; fusion none → blend alpha=0.6: 1." in table.notes
    losses = [{"sharpening": {"weight": weight}, "equivariance": {"weight": 1.0}} for weight in (1.0, 2.0)]
    table = effects(levels("losses", losses, [0.5, 0.6]), ReportSpec(("losses",), effects=("losses",)))
    assert table.rows[0].labels[1] == ("sharpening + equivariance sharpening.weight=1 → "
                                       "sharpening + equivariance sharpening.weight=2")


def test_each_value_is_compared_with_the_first_before_it_that_it_meets():
    def of(*settings):
        return [record for tokens, steps, score in settings
                for record in levels("tokens", [tokens], [score], steps=steps)]

    layout = ReportSpec(("tokens", "steps"), effects=("tokens", "steps"))
    table = effects(of((16, 50, 0.1), (64, 100, 0.2), (256, 100, 0.4)), layout)
    assert shown(table) == [("tokens", "64 → 256", "+0.200")]
    assert table.notes[-2:] == ("No two settings differ in nothing but: steps.",
                                "In no pair, for no other value meets it in all else: tokens 16.")
    table = effects(of((16, 75, 0.1), (64, 75, 0.2), (64, 100, 0.3), (256, 100, 0.4)), layout)
    assert shown(table) == [("tokens", "16 → 64", "+0.100"), ("tokens", "64 → 256", "+0.100"),
                            ("steps", "75 → 100", "+0.100")]


def test_effects_that_no_two_settings_show_are_named_under_the_other_tables():
    (table,) = build(levels("tokens", [16], [0.1]), ReportSpec(("tokens",), effects=("tokens", "steps")))
    assert "No two settings differ in nothing but: tokens; steps." in table.notes
    records = [fakes.record(fakes.plain(0, tokens=tokens), {"psnr": 20.0}) for tokens in (16, 64)]
    (table,) = build(records, ReportSpec(("tokens",), effects=("tokens",)))
    assert "No trial has a score to show effects on: tokens." in table.notes


def test_a_cell_of_fewer_seeds_than_its_row_says_so():
    records = levels("view_pass", ["batch", "canvas"], [0.3, 0.4], seeds=4)
    for i, record in enumerate(records):
        record["scores"] |= {"nme": 0.2} if i < 6 else {}  # the last two seeds of canvas have none
    table = effects(records, ReportSpec(("view_pass",), effects=("view_pass",)))
    (row,) = table.rows
    assert (row.seeds, [cell.text for cell in row.cells]) == (4, ["+0.100±.000", "+0.000±.000 (2)"])
    assert "In brackets: how many seeds have this score in every pair" in table.notes[0]
    one = effects(levels("view_pass", ["batch", "canvas"], [0.3, 0.4], seeds=1), ReportSpec(effects=("view_pass",)))
    assert (one.rows[0].count, one.rows[0].cells[0].text) == ("1", "+0.100")
    assert "In brackets" not in one.notes[0]


def test_a_star_is_within_reach_test_by_test():
    # Two tests: of 7 seeds p = 2/2^7 = 1/64, twice that below 0.05; of 3 seeds no p is below 1/4.
    records = levels("view_pass", ["batch", "canvas"], [0.3, 0.4], seeds=7)
    records += levels("view_pass", ["other"], [0.5], seeds=3)
    table = effects(records, ReportSpec(("view_pass",), effects=("view_pass",)))
    found = [row.cells[0].difference for row in table.rows]
    assert [(each.reachable, each.star) for each in found] == [(True, True), (False, False)]
    assert [each.adjusted for each in found] == [pytest.approx(1 / 32), pytest.approx(1 / 4)]
    assert ("*: p ≤ 0.05 by sign flips over seeds, Holm's correction over the table's 2 tests, which some have too "
            "few seeds for.") in table.notes


def test_generated_views_of_other_scenes_are_no_effect():
    records = [fakes.record(fakes.plain(seed, view_scenes=scenes), {"pck@0.1": 0.5, "nvs_loss": loss})
               for scenes, loss in ((8, 0.1), (16, 0.2)) for seed in range(2)]
    (row,) = effects(records, ReportSpec(("view_scenes",), effects=("view_scenes",))).rows
    assert [cell.text for cell in row.cells] == ["+0.000±.000", "—"]


def test_every_format_shows_it_and_verifies(tmp_path):
    for seed in range(3):
        for fusion in ("none", "concat"):
            for steps in (40, 80):
                keep_spec(tmp_path, "probe", spec_of(seed, fusion, steps=steps), 1 + 0.2 * (fusion == "concat"))
    layout = ReportSpec(("fusion", "steps"), {}, (), (), ("fusion.name", "steps"))
    report = make_report(ReportInputs("probe", tuple(Store(tmp_path, "probe").records()), layout))
    table = report.tables[-1]
    assert table.name == "effects"
    for text in (markdown.to_markdown([table]), latex.to_latex([table], "fake"), csv_json.to_csv([table])):
        assert "concat" in text
    assert csv_json.to_json([table])[0]["rows"][0]["scores"]["pck@0.1"]["pairs"]
    read = reader(tmp_path)
    assert verify(report, read).mismatches == []
    cell = table.rows[0].cells[0]
    forged = replace(cell, interval=replace(cell.interval, mean=cell.interval.mean + 0.01))
    rows = (replace(table.rows[0], cells=(forged, *table.rows[0].cells[1:])), *table.rows[1:])
    wrong = verify(replace(report, tables=(*report.tables[:-1], replace(table, rows=rows))), read).mismatches
    assert [each.what for each in wrong] == ["mean"]


def test_effects_are_no_settings_of_figures_and_pages():
    records = factorial()
    tables = build(records, LAYOUT)
    assert tables[-1].settings == ()
    known = {each["id"]: each for each in records}
    drawn = source(tables, known, lambda record, name: {})
    assert len(drawn.all_rows) == 5
    content = Content("probe", tables, {trial: TrialSection(record) for trial, record in known.items()})
    assert len(content.settings) == 5


def test_a_setting_that_no_two_trials_differ_in_is_refused(tmp_path):
    text = "name: probe\ngrid: {fusion: [none, concat]}\nreport: {effects: [steps]}\n"
    with pytest.raises(UsageError, match=r"report\.effects: no two trials differ in a setting 'steps'"):
        load(tmp_path, text)
