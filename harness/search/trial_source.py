"""The interface of a source of trials (a grid or a search), and what both need to plan a trial."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.config.spec import Choice, RunOptions, TrialSpec

if TYPE_CHECKING:
    from harness.method.optimise import Step

Fingerprinter = Callable[[TrialSpec], Mapping[str, str]]


@dataclass(frozen=True)
class PlannedTrial:
    """One trial of the plan; ``label`` names the settings that vary, ``status`` is the store's before the run."""

    id: str
    spec: TrialSpec
    label: str
    fingerprints: Mapping[str, str]
    status: str


class TrialSource(Protocol):
    """Decides which trial runs next. The coordinator calls it from one thread only."""

    @property
    def total(self) -> int | None:
        """The number of planned trials, finished ones included; None if there is no limit."""

    @property
    def done(self) -> int:
        """The number of planned trials that finished before this run and are not run again."""

    def next(self) -> PlannedTrial | None:
        """Return a trial to start, each id once; None if nothing can start now."""

    def exhausted(self) -> bool:
        """True if no trial will follow when the running ones have ended."""

    def options(self) -> RunOptions:
        """Return the options of its trials, such as how often they are probed for a pruner."""
        return RunOptions()

    def report_step(self, trial: PlannedTrial, step: "Step") -> bool:
        """Report a step of a running trial to the source; True if the trial must be pruned."""
        return False

    def report_end(self, trial: PlannedTrial, record: Mapping[str, Any]) -> None:
        """Report the record of an ended trial (finished, failed, pruned or interrupted) to the source."""
        return

    def close(self) -> None:
        """Release all resources at the end of a run."""
        return


class Fingerprints:
    """Fingerprints of a trial's data and weights, computed once for each pair of data and model.

    Unless ``compute`` replaces the real function, each setting is also checked against its model and its data, so that
    a plan with an incompatible setting raises UsageError before any of its trials runs.
    """

    def __init__(self, compute: Fingerprinter | None = None) -> None:
        self._compute, self._checks = compute, compute is None
        self._compatible: set[tuple[Any, ...]] = set()  # settings that passed the check with the last data and model
        self._by_choice: dict[str, Mapping[str, str]] = {}
        self._last: tuple[Choice, Choice, str, Mapping[str, str]] | None = None

    def __call__(self, spec: TrialSpec) -> Mapping[str, str]:
        """Return the trial's fingerprints, by `data` and `weights`."""
        last = self._last
        if last is None or (spec.data, spec.model, spec.context_file) != last[:3]:
            self._last = last = spec.data, spec.model, spec.context_file, self._of_choice(spec)
            self._compatible.clear()
        if self._checks:  # neighbours in a grid share most of the check: 100,000 cells are planned in seconds
            self._check(spec)
        return last[3]

    def _check(self, spec: TrialSpec) -> None:
        from harness.method.compatibility import check, checked_settings

        part = checked_settings(spec)
        if part not in self._compatible:
            check(spec)
            self._compatible.add(part)

    def _of_choice(self, spec: TrialSpec) -> Mapping[str, str]:
        choice = json.dumps([spec.data.to_dict(), spec.model.to_dict(), spec.context_file], sort_keys=True)
        if choice not in self._by_choice:
            if self._compute is None:
                from harness.method.fingerprints import fingerprints

                self._compute = fingerprints
            self._by_choice[choice] = self._compute(spec)
        return self._by_choice[choice]
