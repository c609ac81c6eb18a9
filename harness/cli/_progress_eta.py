"""How fast trials end, and how long those under way and those that wait will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.method.optimise import Step


@dataclass
class Under:
    """A trial under way: when its attempt started, by the clock, and its last step."""

    since: float
    step: "Step | None" = None


class Pace:
    """Learns from the trials that ended, and from the steps of those under way while none has."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None
        self._seconds, self._ended, self._most = 0.0, 0, 0
        self._running: dict[str, Under] = {}

    def start(self, trial: str) -> None:
        """Note that an attempt at a trial starts."""
        if self._began is None:
            self._began = self._now()
        self._running[trial] = Under(self._now())
        self._most = max(self._most, len(self._running))

    def step(self, trial: str, step: "Step") -> None:
        """Note where a trial is."""
        self._running[trial].step = step

    def end(self, trial: str, *, counts: bool = True) -> float:
        """Note that an attempt ended, return its seconds; one that is to be repeated says nothing of later trials."""
        running = self._running.pop(trial, None)
        if running is None:  # stopped while it waited to be tried again
            return 0.0
        seconds = self._now() - running.since
        if counts:
            self._seconds += seconds
            self._ended += 1
        return seconds

    def left_of(self, trial: str) -> float | None:
        """Return the seconds left of a trial under way, None while nothing is known."""
        running, usual = self._running[trial], self._usual
        elapsed = self._now() - running.since
        left = None if usual is None else max(0.0, usual - elapsed)
        if running.step is not None and running.step.step:
            by_steps = running.step.seconds / running.step.step * (running.step.steps - running.step.step)
            left = by_steps if left is None else max(left, by_steps)
        return left

    def left(self, waiting: int) -> float | None:
        """Return the seconds left of everything, ``waiting`` trials included, None while nothing is known."""
        now = self._now()
        left = {trial: self.left_of(trial) for trial in self._running}
        known = {trial: seconds for trial, seconds in left.items() if seconds is not None}
        usual = self._usual
        if usual is None and known:
            usual = sum(now - self._running[trial].since + seconds for trial, seconds in known.items()) / len(known)
        if usual is None:
            return None if waiting or self._running else 0.0
        under_way = sum(known.values()) + usual * (len(left) - len(known))
        return max([(under_way + waiting * usual) / max(1, self._most), *known.values()])

    @property
    def per_hour(self) -> float | None:
        """Return how many trials end in an hour, None before the first."""
        if self._began is None or not self._ended:
            return None
        return 3600.0 * self._ended / max(self._now() - self._began, 1e-9)

    @property
    def _usual(self) -> float | None:
        return self._seconds / self._ended if self._ended else None
