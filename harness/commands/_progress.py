"""What a person sees while trials run: a live line on a terminal, plain lines elsewhere; always on stderr."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from harness.conduct import Planned, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from harness.trial import Step, TrialResult

QUIET_SECONDS = 10.0  # between two plain lines of one trial
SCORE = "pck@0.1"  # the score that a trial's last line tells


class Clock:
    """Tells how long the trial under way and all the trials will still take, from the ones that ended."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._durations: list[float] = []
        self._started = now()

    def start(self) -> None:
        """Note that a trial starts."""
        self._started = self._now()

    def end(self) -> float:
        """Note that it ended; return its seconds."""
        self._durations.append(self._now() - self._started)
        return self._durations[-1]

    def left(self, step: "Step | None", waiting: int) -> tuple[float | None, float | None]:
        """Return the seconds left of this trial and of all, None while nothing is known; ``waiting`` trials follow."""
        elapsed = self._now() - self._started
        usual = sum(self._durations) / len(self._durations) if self._durations else None
        this = None if usual is None else max(0.0, usual - elapsed)
        if step is not None and step.step:
            steps_left = step.seconds / step.step * (step.steps - step.step)
            this = steps_left if this is None else max(this, steps_left)
        if this is None:
            return None, None
        return this, this + waiting * (elapsed + this if usual is None else usual)


class Lines(Progress):
    """One line when a trial starts, one when it ends, and one about every ten seconds in between.

    ``note`` is called once with the plan, before anything starts; with ``force`` finished trials run again.
    """

    def __init__(self, note: Callable[[Sequence[Planned]], None] = lambda trials: None, *, force: bool = False,
                 clock: Clock | None = None) -> None:
        self._note, self._force, self._clock = note, force, clock or Clock()
        self._total = self._begun = 0
        self._title = ""
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        return None

    def planned(self, trials: Sequence[Planned]) -> None:
        """Show how much there is to do."""
        self._note(trials)
        done = 0 if self._force else sum(trial.status == "finished" for trial in trials)
        self._total, self._begun = len(trials), done
        self.say(f"trials: {len(trials)}" + (f", {done} of them done already" if done else ""))

    def started(self, trial: Planned) -> None:
        """Show that a trial starts."""
        self.begin(trial)
        self.say(f"{self._title}: started")

    def step(self, trial: Planned, step: "Step") -> None:
        """Show where the trial is, unless a line was shown just now."""
        if time.monotonic() - self._last >= QUIET_SECONDS:
            self._last = time.monotonic()
            this, everything = self._clock.left(step, self._total - self._begun)
            self.say(f"{self._title}: {position(step)}, {duration(this)} left, of all {duration(everything)}")

    def finished(self, trial: Planned, result: "TrialResult") -> None:
        """Show that a trial is done, and its first score."""
        score = result.scores.get(SCORE)
        self.end("done", "" if score is None else f"{SCORE} {score:.3f}")

    def failed(self, trial: Planned, reason: str) -> None:
        """Show why a trial failed."""
        self.end("failed", reason)

    def interrupted(self, trial: Planned) -> None:
        """Show that a trial was stopped."""
        self.end("stopped", "")

    def warning(self, text: str) -> None:
        """Show a warning."""
        self.say(f"warning: {text}")

    def begin(self, trial: Planned) -> None:
        """Note that a trial starts."""
        self._begun += 1
        self._title = f"[{self._begun}/{self._total}] {trial.label}"
        self._last = time.monotonic()
        self._clock.start()

    def end(self, how: str, detail: str) -> None:
        """Show how a trial ended."""
        took = self._clock.end()
        self.say(f"{self._title}: {how} after {duration(took)}" + (f": {detail}" if detail else ""))

    def say(self, line: str) -> None:
        """Show a line that stays."""
        print(line, file=sys.stderr, flush=True)


class Live(Lines):
    """The same on a terminal: ended trials stay as lines, the one under way is redrawn below them."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
                   TextColumn("{task.fields[note]}", markup=False))
        self._display: RichProgress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._trial = self._display.add_task("", note="", visible=False)
        self._all = self._display.add_task("all trials", note="", visible=False)
        self._display.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._display.stop()

    def started(self, trial: Planned) -> None:
        """Draw the trial's line."""
        self.begin(trial)
        self._display.reset(self._trial, description=self._title, total=max(1, trial.spec.steps), note="loading",
                            visible=True)
        self._display.update(self._all, total=self._total, completed=self._begun - 1, visible=True)

    def step(self, trial: Planned, step: "Step") -> None:
        """Redraw the trial's line."""
        this, everything = self._clock.left(step, self._total - self._begun)
        where = f"{position(step)}, {duration(this)} left" if step.step < step.steps else "scoring"
        self._display.update(self._trial, completed=step.step, note=where)
        share = step.step / max(1, step.steps)
        self._display.update(self._all, completed=self._begun - 1 + share, note=f"{duration(everything)} left")

    def say(self, line: str) -> None:
        """Show a line that stays, above the live ones."""
        self._display.console.print(line, markup=False, highlight=False, soft_wrap=True)


def progress(note: Callable[[Sequence[Planned]], None], *, force: bool) -> Lines:
    """Return live lines on a terminal, plain ones elsewhere."""
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Live(note, force=force) if live else Lines(note, force=force)


def position(step: "Step") -> str:
    """Return the step and the loss in words."""
    return f"step {step.step}/{step.steps}, loss {step.losses.get('loss', float('nan')):.4g}"


def duration(seconds: float | None) -> str:
    """Return a time in the unit that reads best."""
    if seconds is None:
        return "unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
