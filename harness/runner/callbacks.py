"""What the coordinator tells while trials run."""

from typing import TYPE_CHECKING

from harness.search.trial_source import Planned

if TYPE_CHECKING:
    from harness.method.optimise import Step
    from harness.method.results import TrialResult


class Progress:
    """What a command may want to hear, always in the thread that called `conduct`. Does nothing by itself."""

    def planned(self, total: int | None, done: int) -> None:
        """The plan is made, None when open-ended; ``done`` were finished before. Nothing has started."""

    def started(self, trial: Planned) -> None:
        """A trial was handed to a worker, for the first time or again."""

    def step(self, trial: Planned, step: "Step", worker: str) -> None:
        """A trial has made a step on a worker; at most some ten a second are told of each."""

    def finished(self, trial: Planned, result: "TrialResult") -> None:
        """A trial is in the store."""

    def failed(self, trial: Planned, reason: str) -> None:
        """A trial has failed for good; it runs again next time."""

    def repeated(self, trial: Planned, reason: str, how: str) -> None:
        """An attempt has failed; the trial will be tried again, and how."""

    def pruned(self, trial: Planned, reason: str) -> None:
        """A trial was stopped because it did not look promising."""

    def interrupted(self, trial: Planned) -> None:
        """A trial was stopped on request; it runs again next time."""

    def warning(self, text: str) -> None:
        """Something the user should know that stops nothing."""
