"""Estimates the time left of running and waiting trials, and the trials per hour."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.method.optimise import Step


@dataclass
class Attempt:
    """A running attempt at a trial: its start by the clock, and its last step."""

    since: float
    step: "Step | None" = None


class Pace:
    """Estimates from the durations of ended trials; until one has ended, from the steps of the running ones."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None
        self._seconds, self._ended, self._most = 0.0, 0, 0
        self._running: dict[str, Attempt] = {}

    def start(self, trial: str) -> None:
        """Record the start of an attempt at a trial."""
        if self._began is None:
            self._began = self._now()
        self._running[trial] = Attempt(self._now())
        self._most = max(self._most, len(self._running))

    def step(self, trial: str, step: "Step") -> None:
        """Record the last step of a trial."""
        self._running[trial].step = step

    def end(self, trial: str, *, counts: bool = True) -> float:
        """Record the end of an attempt and return its seconds; without ``counts`` the estimates ignore it."""
        running = self._running.pop(trial, None)
        if running is None:  # stopped while it waited to be tried again
            return 0.0
        seconds = self._now() - running.since
        if counts:
            self._seconds += seconds
            self._ended += 1
        return seconds

    def left_of(self, trial: str) -> float | None:
        """Return the seconds left of a running trial, None if they cannot be estimated yet."""
        running, mean = self._running[trial], self._mean_seconds
        elapsed = self._now() - running.since
        left = None if mean is None else max(0.0, mean - elapsed)
        if running.step is not None and running.step.step:
            by_steps = running.step.seconds / running.step.step * (running.step.steps - running.step.step)
            left = by_steps if left is None else max(left, by_steps)
        return left

    def left(self, waiting: int) -> float | None:
        """Return the seconds left of all trials, ``waiting`` ones included, None if they cannot be estimated yet."""
        now = self._now()
        left = {trial: self.left_of(trial) for trial in self._running}
        estimated = {trial: seconds for trial, seconds in left.items() if seconds is not None}
        mean = self._mean_seconds
        if mean is None and estimated:
            mean = sum(now - self._running[trial].since + seconds
                       for trial, seconds in estimated.items()) / len(estimated)
        if mean is None:
            return None if waiting or self._running else 0.0
        running = sum(estimated.values()) + mean * (len(left) - len(estimated))
        return max([(running + waiting * mean) / max(1, self._most), *estimated.values()])

    @property
    def per_hour(self) -> float | None:
        """The number of trials that end in an hour, None before the first has ended."""
        if self._began is None or not self._ended:
            return None
        return 3600.0 * self._ended / max(self._now() - self._began, 1e-9)

    @property
    def _mean_seconds(self) -> float | None:
        return self._seconds / self._ended if self._ended else None
