"""Estimates of the time left, and the progress on the screen while trials run."""

import re
from dataclasses import replace

import pytest

from harness.cli._progress_eta import Pace
from harness.cli._progress_lines import ProgressLines, duration, position
from harness.cli._progress_live import LiveProgress
from harness.config.load import load
from harness.method.optimise import Step
from harness.method.results import TrialResult
from harness.runner.coordinator import PlannedTrial


class Watch:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def planned(seed: int = 0) -> PlannedTrial:
    spec = replace(load("quick").trials[0], seed=seed)
    return PlannedTrial(f"id{seed}", spec, f"fusion=none seed={seed}", {}, "missing")


def result() -> TrialResult:
    return TrialResult("finished", "", {"pck@0.1": 0.5}, {}, {}, {}, {}, None, {})


def test_the_first_trial_is_timed_by_its_steps() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.start("a")
    assert (pace.left_of("a"), pace.left(2), pace.per_hour) == (None, None, None)
    watch.seconds = 6.0  # 2 s of loading, then 4 steps of 1 s
    pace.step("a", Step(4, 10, {}, 4.0))
    assert pace.left_of("a") == pytest.approx(6.0)
    assert pace.left(2) == pytest.approx(6.0 + 2 * 12.0)


def test_later_trials_are_timed_by_the_ones_that_ended() -> None:
    watch = Watch()
    pace = Pace(watch)
    for took in (10.0, 20.0):
        pace.start("a")
        watch.seconds += took
        assert pace.end("a") == took
    pace.start("a")
    watch.seconds += 5.0
    assert (pace.left_of("a"), pace.left(3)) == (10.0, 10.0 + 3 * 15.0)
    assert pace.per_hour == pytest.approx(2 * 3600 / 35)


def test_workers_share_what_is_left() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.start("a")
    pace.start("b")
    watch.seconds = 10.0
    pace.end("a")
    pace.start("c")
    watch.seconds = 14.0
    # b is over its time; c has 6 s left; six more of 10 s wait: 66 s for two workers
    assert (pace.left_of("b"), pace.left_of("c")) == (0.0, 6.0)
    assert pace.left(6) == pytest.approx(33.0)
    assert pace.left(0) == pytest.approx(6.0)  # no shorter than the longest running trial


def test_an_attempt_that_is_repeated_says_nothing_of_later_trials() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.start("a")
    watch.seconds = 50.0
    assert pace.end("a", counts=False) == 50.0
    pace.start("a")
    assert (pace.left_of("a"), pace.per_hour) == (None, None)


def test_a_trial_that_takes_longer_than_usual_is_timed_by_its_steps() -> None:
    watch = Watch()
    pace = Pace(watch)
    pace.start("a")
    watch.seconds += 1.0
    pace.end("a")
    pace.start("b")
    watch.seconds += 8.0
    pace.step("b", Step(1, 10, {}, 8.0))
    assert pace.left_of("b") == pytest.approx(72.0)


@pytest.mark.parametrize(("seconds", "words"), [(None, "unknown time"), (3.4, "3 s"), (89, "89 s"), (90, "2 min"),
                                                (600, "10 min"), (7200, "2.0 h")])
def test_times_are_shown_in_the_unit_that_reads_best(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_a_step_is_shown_with_its_loss_and_with_pck_where_it_is_probed() -> None:
    assert position(Step(3, 9, {"loss": 0.123456}, 1.0)) == "step 3/9, loss 0.1235"
    assert position(Step(3, 9, {"loss": 1.0}, 1.0, {"pck_fit@0.1": 0.25})) == "step 3/9, loss 1, pck_fit@0.1 0.250"


def test_plain_lines_show_start_and_end_and_are_silent_in_between(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines() as lines:
        lines.planned(2, 1)
        lines.started(planned())
        for step in range(5):
            lines.step(planned(), Step(step, 5, {"loss": 1.0}, 0.1), "worker-0")
        lines.finished(planned(), result())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trials: 2, 1 of them done already",
        "[2/2] fusion=none seed=0: started",
        "[2/2] fusion=none seed=0: done after 0 s: pck@0.1 0.500",
    ]


def test_plain_lines_show_the_step_when_time_has_passed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli._progress_lines.QUIET_SECONDS", 0.0)
    with ProgressLines() as lines:
        lines.planned(1, 0)
        lines.started(planned())
        lines.step(planned(), Step(2, 4, {"loss": 1.0}, 8.0), "worker-0")
    assert "[1/1] fusion=none seed=0: step 2/4, loss 1, 8 s left, of all 8 s left" in capsys.readouterr().err


def test_a_trial_keeps_its_number_when_it_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines() as lines:
        lines.planned(2, 0)
        lines.started(planned(0))
        lines.repeated(planned(0), "the worker died", "attempt 2")
        lines.started(planned(1))
        lines.started(planned(0))
        lines.pruned(planned(1), "pruned at step 5 of 9")
        lines.failed(planned(0), "no")
    assert capsys.readouterr().err.splitlines()[1:] == [
        "[1/2] fusion=none seed=0: started",
        "[1/2] fusion=none seed=0: broke after 0 s, attempt 2 follows: the worker died",
        "[2/2] fusion=none seed=1: started",
        "[1/2] fusion=none seed=0: started",
        "[2/2] fusion=none seed=1: stopped after 0 s: pruned at step 5 of 9",
        "[1/2] fusion=none seed=0: failed after 0 s: no",
    ]


def test_a_trial_may_be_stopped_while_it_waits_to_be_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines(lambda: None)
    lines.planned(2, 0)
    lines.started(planned())
    lines.repeated(planned(), "its node died", "attempt 2")
    lines.interrupted(planned())
    assert capsys.readouterr().err.splitlines()[-1] == "[1/2] fusion=none seed=0: stopped after 0 s"
    assert lines.ended == {"stopped": 1}


def test_an_open_ended_search_is_counted_without_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines() as lines:
        lines.planned(None, 3)
        lines.started(planned())
    assert capsys.readouterr().err.splitlines() == [
        "trials: a search, 3 of them done already", "[4] fusion=none seed=0: started"]


def test_the_plan_is_noted_before_anything_starts() -> None:
    seen: list[str] = []
    with ProgressLines(lambda: seen.append("noted")) as lines:
        lines.planned(1, 0)
    assert seen == ["noted"]


def screen(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_the_live_view_has_a_row_for_each_worker_and_keeps_what_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    with LiveProgress() as lines:
        lines.planned(4, 1)
        lines.started(planned(0))
        lines.started(planned(1))
        lines.started(planned(2))
        lines.step(planned(0), Step(2, 4, {"loss": 1.25}, 8.0, {"pck_fit@0.1": 0.375}), "worker-0")
        lines.step(planned(1), Step(4, 4, {"loss": 0.5}, 16.0), "worker-1")
        lines.step(planned(0), Step(3, 4, {"loss": 1.5}, 12.0), "worker-0")
        lines._display.refresh()
        lines.failed(planned(1), "loss is nan at step 3 [not markup]")
        lines._display.refresh()
    out, err = capsys.readouterr()
    rows = screen(err).splitlines()
    assert out == ""
    assert any(re.search(r"worker-0 +\[2/4\] fusion=none seed=0 +3/4 .* 1\.5 +0\.375 +4 s", row) for row in rows)
    assert any(re.search(r"worker-1 +\[3/4\] fusion=none seed=1 +4/4 .* 0\.5 +scoring", row) for row in rows)
    assert any(re.search(r"\[4/4\] fusion=none seed=2 +loading", row) for row in rows)
    assert "[3/4] fusion=none seed=1: failed after 0 s: loss is nan at step 3 [not markup]" in screen(err)
    assert any(row.startswith("1 of 4 done, 1 failed") for row in rows)


def test_the_live_view_has_no_colour_where_none_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    with LiveProgress() as lines:
        lines.planned(1, 0)
        lines.started(planned())
        lines.step(planned(), Step(2, 4, {"loss": 1.0}, 8.0), "worker-0")
        lines._display.refresh()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7](;[0-9;]*)?m", capsys.readouterr().err)


@pytest.mark.parametrize("columns", ["80", "60"])
def test_a_narrow_live_view_loses_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                          columns: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    words = ["learning_rate=0.04318", "sigma_px=2.25", "selection=gaussian_fps", "losses.equivariance.weight=2113",
             "losses.separation=on", "seed=1"]
    trial = replace(planned(), label=" ".join(words))
    with LiveProgress() as lines:
        lines.planned(36, 0)
        lines.started(trial)
        lines.step(trial, Step(20, 40, {"loss": 123.4}, 8.0, {"pck_fit@0.1": 0.375}), "worker-0")
        lines._display.refresh()
    rows = screen(capsys.readouterr().err).splitlines()
    assert max(map(len, rows)) <= int(columns)
    seen = "".join(row[10:].split("  ")[0].strip() for row in rows)
    assert all(word in seen for word in words)
    assert any(row.startswith("worker-0") and "20/40" in row and "123.4" in row and "0.375" in row and "8 s" in row
               for row in rows)
