"""Time left and the lines that a person sees while trials run."""

import re

import pytest

from harness import config
from harness.commands._progress import Clock, Lines, Live, duration, position
from harness.conduct import Planned
from harness.optimise import Step
from harness.results import TrialResult


class Watch:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def planned(status: str = "missing") -> Planned:
    return Planned("0123", config.load("quick").trials[0], "fusion=none seed=0", {}, status)


def result() -> TrialResult:
    return TrialResult("finished", "", {"pck@0.1": 0.5}, {}, {}, {}, {}, None, {})


def test_the_first_trial_is_timed_by_its_steps() -> None:
    watch = Watch()
    clock = Clock(watch)
    clock.start()
    assert clock.left(None, 2) == (None, None)
    watch.seconds = 6.0  # 2 s of loading, then 4 steps of 1 s
    this, everything = clock.left(Step(4, 10, {}, 4.0), 2)
    assert this == pytest.approx(6.0)
    assert everything == pytest.approx(6.0 + 2 * 12.0)


def test_later_trials_are_timed_by_the_ones_that_ended() -> None:
    watch = Watch()
    clock = Clock(watch)
    for took in (10.0, 20.0):
        clock.start()
        watch.seconds += took
        assert clock.end() == took
    clock.start()
    watch.seconds += 5.0
    assert clock.left(None, 3) == (10.0, 10.0 + 3 * 15.0)


def test_a_trial_that_takes_longer_than_usual_is_timed_by_its_steps() -> None:
    watch = Watch()
    clock = Clock(watch)
    clock.start()
    watch.seconds += 1.0
    clock.end()
    clock.start()
    watch.seconds += 8.0
    assert clock.left(Step(1, 10, {}, 8.0), 0)[0] == pytest.approx(72.0)


@pytest.mark.parametrize(("seconds", "words"), [(None, "unknown time"), (3.4, "3 s"), (89, "89 s"), (90, "2 min"),
                                                (600, "10 min"), (7200, "2.0 h")])
def test_times_are_told_in_the_unit_that_reads_best(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_a_step_is_told_with_its_loss() -> None:
    assert position(Step(3, 9, {"loss": 0.123456}, 1.0)) == "step 3/9, loss 0.1235"


def test_plain_lines_tell_start_and_end_and_are_silent_in_between(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        lines.planned([planned("finished"), planned()])
        lines.started(planned())
        for step in range(5):
            lines.step(planned(), Step(step, 5, {"loss": 1.0}, 0.1))
        lines.finished(planned(), result())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trials: 2, 1 of them done already",
        "[2/2] fusion=none seed=0: started",
        "[2/2] fusion=none seed=0: done after 0 s: pck@0.1 0.500",
    ]


def test_plain_lines_tell_the_step_when_time_has_passed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.commands._progress.QUIET_SECONDS", 0.0)
    with Lines() as lines:
        lines.planned([planned()])
        lines.started(planned())
        lines.step(planned(), Step(2, 4, {"loss": 1.0}, 8.0))
    assert "[1/1] fusion=none seed=0: step 2/4, loss 1, 8 s left, of all 8 s" in capsys.readouterr().err


def test_forced_trials_are_not_counted_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(force=True) as lines:
        lines.planned([planned("finished")])
    assert capsys.readouterr().err == "trials: 1\n"


def test_the_plan_is_noted_before_anything_starts() -> None:
    seen: list[object] = []
    with Lines(seen.extend) as lines:
        lines.planned([planned()])
    assert seen == [planned()]


def test_live_lines_redraw_the_trial_and_keep_what_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    with Live() as lines:
        lines.planned([planned()])
        lines.started(planned())
        lines.step(planned(), Step(2, 4, {"loss": 1.0}, 8.0))
        lines._display.refresh()
        lines.failed(planned(), "loss is nan at step 3 [not markup]")
    out, err = capsys.readouterr()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert out == ""
    assert "step 2/4, loss 1, 8 s left" in shown
    assert "[1/1] fusion=none seed=0: failed after 0 s: loss is nan at step 3 [not markup]" in shown
