"""Progress as plain lines on stderr, and the base of the live view."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.cli._progress_eta import Pace
from harness.runner.coordinator import PlannedTrial, Progress

if TYPE_CHECKING:
    from harness.method.trial import Step, TrialResult

QUIET_SECONDS = 10.0  # between two lines about running trials
SCORE = "pck@0.1"  # the score in a trial's last line, except in a search
PROBE = "pck_fit@0.1"  # the score in its other lines, if it is probed


class ProgressLines(Progress):
    """One line when a trial starts, one when it ends, and one line every ten seconds about a running trial.

    ``note`` is called once, after planning and before the first trial starts.
    """

    def __init__(self, note: Callable[[], None] = lambda: None, *, pace: Pace | None = None) -> None:
        self._note, self.pace = note, pace or Pace()
        self.total: int | None = None
        self.before = 0
        self.titles: dict[str, str] = {}  # of trials that run or wait for another attempt
        self.begun = 0
        self.ended: Counter[str] = Counter()
        self.readout: Callable[[TrialResult], str] = first_score  # of a search: its objective
        self._last = time.monotonic()

    def __enter__(self) -> "ProgressLines":
        return self

    def __exit__(self, *reason: object) -> None:
        return None

    def planned(self, total: int | None, done: int) -> None:
        """Show the number of trials."""
        self._note()
        self.total, self.before = total, done
        count = "a search" if total is None else str(total)
        self.say(f"trials: {count}" + (f", {done} of them done already" if done else ""))

    def started(self, trial: PlannedTrial) -> None:
        """Show that a trial starts."""
        self.begin(trial)
        self.say(f"{self.titles[trial.id]}: started")

    def step(self, trial: PlannedTrial, step: "Step", worker: str) -> None:
        """Show a trial's last step, unless a line was printed in the last QUIET_SECONDS."""
        self.pace.step(trial.id, step)
        if time.monotonic() - self._last >= QUIET_SECONDS:
            self._last = time.monotonic()
            left = duration(self.pace.left_of(trial.id))
            self.say(f"{self.titles[trial.id]}: {position(step)}, {left} left, {self.overall()}")

    def finished(self, trial: PlannedTrial, result: "TrialResult") -> None:
        """Show that a trial is done, and what matters of its result."""
        self.end(trial, "done", self.readout(result))

    def failed(self, trial: PlannedTrial, reason: str) -> None:
        """Show why a trial failed."""
        self.end(trial, "failed", reason)

    def repeated(self, trial: PlannedTrial, reason: str, how: str) -> None:
        """Show why an attempt failed and that another one follows."""
        took = self.pace.end(trial.id, counts=False)
        self.say(f"{self.titles[trial.id]}: broke after {duration(took)}, {how} follows: {reason}")

    def pruned(self, trial: PlannedTrial, reason: str) -> None:
        """Show that a trial was pruned."""
        self.end(trial, "stopped", reason)

    def interrupted(self, trial: PlannedTrial) -> None:
        """Show that a trial was stopped."""
        self.end(trial, "stopped", "")

    def warning(self, text: str) -> None:
        """Show a warning."""
        self.say(f"warning: {text}")

    def begin(self, trial: PlannedTrial) -> None:
        """Record the start of an attempt at a trial."""
        if trial.id not in self.titles:
            self.begun += 1
            of = "" if self.total is None else f"/{self.total}"
            self.titles[trial.id] = f"[{self.before + self.begun}{of}] {trial.label}"
        self._last = time.monotonic()
        self.pace.start(trial.id)

    def end(self, trial: PlannedTrial, how: str, detail: str) -> None:
        """Show the end of a trial; ``how`` is done, failed or stopped."""
        took = self.pace.end(trial.id, counts=how != "stopped")
        self.ended[how] += 1
        title = self.titles.pop(trial.id)
        self.say(f"{title}: {how} after {duration(took)}" + (f": {detail}" if detail else ""))

    def overall(self) -> str:
        """Return the speed and the time left of the whole run, as text."""
        rate = self.pace.per_hour
        parts = [f"{rate:.0f} trials/h" if rate else ""]
        if self.total is not None:
            parts.append(f"of all {duration(self.pace.left(self.total - self.before - self.begun))} left")
        return ", ".join(filter(None, parts))

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)


def first_score(result: "TrialResult") -> str:
    """Return the score that ends a trial's last line; "" if it has none."""
    score = result.scores.get(SCORE)
    return "" if score is None else f"{SCORE} {score:.3f}"


def position(step: "Step") -> str:
    """Return the step, the loss and, if it is probed, PCK as text."""
    probe = f", {PROBE} {step.probe[PROBE]:.3f}" if PROBE in step.probe else ""
    return f"step {step.step}/{step.steps}, loss {step.losses.get('loss', float('nan')):.4g}{probe}"


def duration(seconds: int | float | None) -> str:
    """Return a time in seconds, minutes or hours, whichever suits its length."""
    if seconds is None:
        return "unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
