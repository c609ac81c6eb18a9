"""Several experiments joined: shared settings, and remarks where they differ."""

from harness.config.spec import ReportSpec
from harness.report.inputs import ReportInputs, join_inputs

from .fakes import plain, record


def part(name, *levels):
    return ReportInputs(name, tuple(record(plain(seed), {"pck@0.1": level}, experiment=name)
                            for seed, level in enumerate(levels)), ReportSpec())


def test_a_trial_of_several_experiments_counts_once():
    found = join_inputs([part("one", 0.5, 0.6), part("two", 0.5, 0.6)])
    assert found.remarks == ("2 trials of several experiments at once; each counts once.",)
    assert [each["experiment"] for each in found.records] == ["one", "one"]


def test_a_trial_that_experiments_score_differently_is_told_with_what_is_shown():
    found = join_inputs([part("one", 0.5, 0.6), part("two", 0.5, 0.7, 0.8), part("three", 0.5)])
    assert found.remarks == (
        "3 trials of several experiments at once; each counts once. Of 1 the experiments have different scores, and "
        "those of the experiment named first are shown.",)
    assert [each["scores"]["pck@0.1"] for each in found.records] == [0.5, 0.6, 0.8]
