"""The coordinator's callbacks while trials run."""

from typing import TYPE_CHECKING

from harness.search.trial_source import PlannedTrial

if TYPE_CHECKING:
    from harness.method.optimise import Step
    from harness.method.results import TrialResult


class Progress:
    """Callbacks for a screen, called in the thread of `run_trials`. This base class does nothing."""

    def planned(self, total: int | None, done: int) -> None:
        """The plan is made: ``total`` trials, None if open-ended, ``done`` finished before. Nothing has started."""

    def started(self, trial: PlannedTrial) -> None:
        """An attempt at a trial has started."""

    def step(self, trial: PlannedTrial, step: "Step", worker: str) -> None:
        """A trial has made a step on a worker; called at most about ten times a second for each trial."""

    def finished(self, trial: PlannedTrial, result: "TrialResult") -> None:
        """A trial has finished, and its record is in the store."""

    def failed(self, trial: PlannedTrial, reason: str) -> None:
        """A trial's last attempt has failed; the next run starts the trial again."""

    def repeated(self, trial: PlannedTrial, reason: str, how: str) -> None:
        """An attempt has failed; ``how`` describes the next one."""

    def pruned(self, trial: PlannedTrial, reason: str) -> None:
        """A search's pruner has stopped a trial."""

    def interrupted(self, trial: PlannedTrial) -> None:
        """A trial was stopped on request; the next run starts it again."""

    def warning(self, text: str) -> None:
        """The user should know this; nothing stops."""
