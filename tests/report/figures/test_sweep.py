"""The figures of a search, checked by hand."""

from harness.report.figures import to_bytes
from harness.report.figures._search_figures import Front, History, HistoryPoint, Importances, charts

TRIALS = [(0, [0.2, 5.0], "finished"), (1, [0.9, None], "pruned"), (2, [0.1, 3.0], "finished"),
          (3, [0.3, 5.0], "finished"), (4, [None, None], "failed")]


def test_the_best_so_far_counts_finished_trials_in_the_better_direction():
    tried = tuple(HistoryPoint(number, values[0], status) for number, values, status in TRIALS)
    assert History("pck", 1, tried).best == ((0, 0.2), (2, 0.2), (3, 0.3))
    assert History("loss", -1, tried).best == ((0, 0.2), (2, 0.1), (3, 0.1))
    assert "1 trials without a value" in History("pck", 1, tried).caption


def test_the_front_holds_what_no_other_trial_beats():
    values = ((0, 0.2, 5.0), (2, 0.1, 3.0), (3, 0.3, 5.0), (5, 0.3, 5.0))
    assert Front(("pck", "loss"), (1, -1), values).front == (2, 3, 5)
    assert Front(("pck", "loss"), (1, 1), values).front == (3, 5)


def test_a_search_of_two_objectives_has_two_histories_and_a_front():
    drawn = charts([("pck", 1), ("loss", -1)], TRIALS, {"pck": {"fusion": 0.7, "tokens": 0.3}})
    assert list(drawn) == ["history-1", "importances-1", "history-2", "front"]
    assert isinstance(drawn["importances-1"], Importances)
    assert drawn["front"].values == ((0, 0.2, 5.0), (2, 0.1, 3.0), (3, 0.3, 5.0))
    for chart in drawn.values():
        assert to_bytes(chart, ("svg",))["svg"].startswith(b"<?xml")


def test_a_search_of_one_objective_has_no_front():
    assert list(charts([("pck", 1)], TRIALS, {})) == ["history"]
