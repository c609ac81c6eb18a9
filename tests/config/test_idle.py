"""Settings whose fusion cannot act are the baseline's trial, and are said beforehand."""

from dataclasses import replace

import pytest

from harness.config.idle import acting_fusion, idle_remark
from harness.config.load import load
from harness.config.search_block import resolve_params
from harness.config.spec import Choice
from harness.errors import UsageError

SINGLE = """
name: single
trial: {model: tiny_sd, data: {name: figures, views: 1}, view_scenes: 0}
"""
GRID = SINGLE + "grid:\n  fusion: [none, concat, {name: blend, alpha: 0.3}]\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_text(text):
        (tmp_path / "x.yaml").write_text(text)
        return load("x.yaml")

    return load_text


@pytest.mark.parametrize("painting", [
    "view_scenes: 2", "generated_scenes: 2, view_scenes: 0",
    "view_scenes: 0, losses: {sharpening: {weight: 100}, nvs: {weight: 1}}"])
def test_a_fusion_acts_where_views_are_painted(write, painting):
    experiment = write(f"name: x\ntrial: {{{painting}}}\ngrid: {{fusion: [none, concat]}}\n")
    assert [spec.fusion.name for spec in experiment.trials] == ["none", "concat"]
    assert experiment.remark == ""


def test_where_none_is_painted_every_fusion_is_the_baseline(write):
    experiment = write(GRID + "seeds: 2\n")
    assert len({str(spec.to_dict()) for spec in experiment.trials}) == 2
    assert {spec.fusion.name for spec in experiment.trials} == {"none"}
    assert {spec.fusion.name for spec in experiment.trials.examples()} == {"none"}
    assert experiment.trials[3].fusion.name == "none"
    assert experiment.remark.startswith("fusion blend, concat has no effect where no view is painted")


def test_only_the_cells_that_paint_no_view_change(write):
    experiment = write("name: x\ngrid: {view_scenes: [0, 2], fusion: [none, concat]}\n")
    assert [(spec.view_scenes, spec.fusion.name) for spec in experiment.trials] == [
        (0, "none"), (0, "none"), (2, "none"), (2, "concat")]
    assert "concat" in experiment.remark


def test_the_baseline_has_no_strength(write):
    experiment = write("name: x\ngrid: {fusion: [none, concat], fusion.strength: [0.5, 1.0]}\n")
    assert [(spec.fusion.name, spec.fusion.knobs["strength"]) for spec in experiment.trials] == [
        ("none", 1.0), ("none", 1.0), ("concat", 0.5), ("concat", 1.0)]
    assert experiment.remark == ""  # a grid of fusions and strengths is no mistake


@pytest.mark.parametrize("report", [
    "report: {baseline: {fusion: concat}}", "report: {rows: [fusion.alpha]}", "report: {effects: [fusion]}"])
def test_a_report_on_what_was_replaced_is_refused_with_the_reason(write, report):
    with pytest.raises(UsageError, match=r"report\.\w+: no .*fusion blend, concat has no effect"):
        write(GRID + report)


def test_a_search_pays_for_them_once(write):
    experiment = write(SINGLE + "search:\n  space: {fusion: [none, concat]}\n  budget: {trials: 2}\n"
                       "  objective: pck_fit@0.1\n")
    found = {resolve_params(experiment.search, params).fusion.name for params in experiment.search.space.corners()}
    assert found == {"none"}
    assert "fusion concat has no effect" in experiment.remark


def test_a_knob_of_a_fusion_that_never_acts_is_no_row(write):
    space = "search:\n  space: {fusion: [none, {name: blend, alpha: {low: 0.1, high: 0.5}}], steps: [1, 2]}\n"
    experiment = write(SINGLE + space + "  budget: {trials: 2}\n  objective: pck_fit@0.1\n")
    assert "fusion.alpha" not in experiment.report.rows
    assert {"fusion", "steps"} <= set(experiment.report.rows)


def test_a_trial_that_acts_keeps_its_own_choice(write):
    (spec,) = write("name: x\n").trials
    concat = Choice("concat", {"strength": 0.5})
    assert acting_fusion(replace(spec, fusion=concat)) == concat
    assert idle_remark([spec]) == ""


def test_the_texts_settings_act_with_the_text_alone(write):
    experiment = write("name: x\ngrid: {context: [replace, concat], text_bias: [0, -2], text_tokens: [0, 1], "
                       "context_softmax: [joint, separate]}\n")
    texts = [(spec.context, spec.text_bias, spec.text_tokens, spec.context_softmax) for spec in experiment.trials]
    assert len(texts) == 16
    assert set(texts) == {("replace", 0, 0, "joint"), *(("concat", bias, count, "joint") for bias in (0, -2)
                                                        for count in (0, 1)),
                          ("concat", 0, 0, "separate"), ("concat", 0, 1, "separate")}
    assert experiment.remark == ""
    alone = write("name: x\ntrial: {text_bias: -2}\ngrid: {text_tokens: [0, 1]}\n")
    assert len({str(spec.to_dict()) for spec in alone.trials}) == 1
    assert alone.remark.startswith("text_bias, text_tokens: no effect without text")
    assert write("name: x\ngrid: {context: [replace, concat]}\n").remark == ""


def test_scenes_with_copies_need_copies(write):
    experiment = write("name: x\ngrid: {localise_copies: [0, 5], copies_scenes: [0, 3], fit_scenes: [3, 9]}\n")
    assert {(spec.localise_copies, spec.copies_scenes, spec.fit_scenes) for spec in experiment.trials} == {
        (0, 0, 3), (0, 0, 9), (5, 0, 3), (5, 0, 9), (5, 3, 9)}
    assert experiment.remark == ""
    alone = write("name: x\ntrial: {fit_scenes: 9}\ngrid: {copies_scenes: [0, 3]}\n")
    assert len({str(spec.to_dict()) for spec in alone.trials}) == 1
    assert alone.remark == "copies_scenes: no effect without localise_copies: such trials are equal, and run once"
