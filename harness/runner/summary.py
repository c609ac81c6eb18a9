"""The outcome of a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Numbers of trials by outcome, and the seconds of the run.

    ``stopped`` is the reason if the run gave up. ``signal`` is the last signal that cut the run short, 0 for none.
    """

    planned: int
    done: int
    skipped: int
    failed: int
    pruned: int
    interrupted: int
    seconds: float
    stopped: str = ""
    signal: int = 0

    @property
    def left(self) -> int:
        """The number of trials that were not started."""
        return self.planned - self.done - self.skipped - self.failed - self.pruned - self.interrupted
