"""Changes since an earlier report: rows identified by their labels; changed numbers, marks and comparisons."""

import json
from dataclasses import replace

import pytest

from harness.config.spec import RESULTS_CHANGES, RESULTS_VERSION, ReportSpec
from harness.report.compare.since import changes, version_changes
from harness.report.inputs import ReportInputs, make_report
from harness.report.writers.document import to_document
from tests.report.fakes import plain, record

LEVELS = {"none": (0.5, 0.6, 0.4), "concat": (0.6, 0.8, 0.4), "blend": (0.7, 0.8, 0.6)}
LAYOUT = ReportSpec(("fusion",), {"fusion": "none"})


def records(levels=LEVELS):
    return [record(plain(seed, fusion={"name": name}), {"pck@0.1": value})
            for name, values in levels.items() for seed, value in enumerate(values)]


def written(found=None, layout=LAYOUT):
    """Return a document as it is read back from its file."""
    return json.loads(json.dumps(to_document(make_report(ReportInputs("fake", tuple(found or records()), layout)))))


def lines(old, new):
    return {change.setting: change.numbers for change in changes(old, new, {})}


def test_nothing_changed():
    assert changes(written(), written(), {}) == []


def test_another_baseline_changes_every_comparison():
    # concat - none is 0.1, 0.2, 0: of 8 sign patterns 4 are as far from 0, for the third sign counts for nothing.
    found = changes(written(), written(layout=replace(LAYOUT, baseline={"fusion": "concat"})), {})
    shown = {change.setting: change.numbers for change in found}
    half = "0.2484 (n = 3), p 0.5"
    assert shown["none"] == (f"pck@0.1 compared for the first time: difference to concat -0.1±{half}, "
                             "after correction 1, effect size -0.5642, improves 0.3333", "it is the baseline no longer")
    assert shown["concat"] == (f"pck@0.1 no longer compared; was: difference to none +0.1±{half}, "
                               "after correction 0.5, effect size 0.5642, improves 0.6667", "it is the baseline now")
    assert len(shown["blend"]) == 1
    assert shown["blend"][0].startswith("pck@0.1 difference to none +0.2±")
    assert " -> difference to concat +0.1±0.2484 (n = 3), p 0.5, " in shown["blend"][0]
    assert {change.reasons for change in found} == {("what it is compared with, or tested beside, changed",)}


def test_more_tests_change_what_is_corrected():
    two = {name: LEVELS[name] for name in ("none", "concat")}
    found = lines(written(records(two)), written(records({**two, "blend": (0.7, 0.8, 0.4)})))  # both p are 0.5
    assert found["blend"] == ("pck@0.1 nothing -> 0.633333±0.5171 (n = 3)",)
    before, after = found["concat"][-1].split(" -> ")
    assert ("after correction 0.5," in before, "after correction 1," in after) == (True, True)


def test_marks_that_another_row_takes_away_are_named():
    two = {name: LEVELS[name] for name in ("none", "concat")}
    found = lines(written(records(two)), written())
    assert found["concat"][0] == "pck@0.1 best -> tied with the best"
    assert found["none"] == ("pck@0.1 tied with the best -> neither best nor tied",)


@pytest.mark.parametrize("key", ["mean", "half_width", "p", "adjusted_p", "effect_size", "probability_of_improvement"])
def test_every_number_of_a_comparison_counts(key):
    old = written()
    old["tables"][0]["rows"][2]["scores"]["pck@0.1"]["difference"][key] = 0.123
    ((setting, (text,)),) = lines(old, written()).items()
    assert (setting, "0.123" in text) == ("blend", True)


def test_rows_of_the_same_words_are_told_apart_by_their_order():
    old, new = written(), written()
    for content in (old, new):
        for row in content["tables"][0]["rows"]:
            row["setting"]["fusion"] = "same"
    assert lines(old, new) == {}
    new["tables"][0]["rows"][0]["scores"]["pck@0.1"]["mean"] = 0.3
    assert set(lines(old, new)) == {"same"}
    new["tables"][0]["rows"][1]["scores"]["pck@0.1"]["mean"] = 0.3
    assert set(lines(old, new)) == {"same", "same (2)"}


def test_what_each_later_results_version_changed_is_said_once():
    new = {"results_version": RESULTS_VERSION}
    assert version_changes({"results_version": 1}, new)[0] == f"Results version 2: {RESULTS_CHANGES[2]}."
    assert len(version_changes({"results_version": 1}, new)) == RESULTS_VERSION - 1
    assert version_changes(new, new) == []
