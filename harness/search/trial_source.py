"""What every answer to *which trial next* has in common: a planned trial, and what the coordinator asks."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.config.spec import Choice, RunOptions, TrialSpec

if TYPE_CHECKING:
    from harness.method.optimise import Step

Fingerprints = Callable[[TrialSpec], Mapping[str, str]]


@dataclass(frozen=True)
class Planned:
    """One trial of the plan: its id, what tells it from the others, and what the store had of it before the run."""

    id: str
    spec: TrialSpec
    label: str
    fingerprints: Mapping[str, str]
    status: str


class Source(Protocol):
    """Which trial next. Only the coordinator's thread calls it."""

    @property
    def total(self) -> int | None:
        """How many trials are planned, finished ones included; None when open-ended."""

    @property
    def done(self) -> int:
        """How many of them were finished before this run and are not run again."""

    def next(self) -> Planned | None:
        """Return a trial to start, each id once; None when nothing can start now."""

    def exhausted(self) -> bool:
        """Return whether nothing more will come once the running trials have ended."""

    def options(self) -> RunOptions:
        """Return how its trials are run, such as how often they are probed for a pruner."""

    def stepped(self, trial: Planned, step: "Step") -> bool:
        """Take in a step of a running trial; return True to stop it: it is pruned."""

    def ended(self, trial: Planned, record: Mapping[str, Any]) -> None:
        """Take in the record that a trial left in the store: finished, failed, pruned or interrupted."""

    def close(self) -> None:
        """Let go of what it holds; the run is over."""


class Prints:
    """Fingerprints of a trial's data and weights, looked at once per choice of them.

    Unless ``look`` stands in for them, a setting that its model or data cannot serve raises UsageError as well, so that
    a plan is refused as a whole, before any of it runs.
    """

    def __init__(self, look: Fingerprints | None = None) -> None:
        self._look, self._checks = look, look is None
        self._served: set[tuple[Any, ...]] = set()
        self._known: dict[str, Mapping[str, str]] = {}
        self._last: tuple[Choice, Choice, Mapping[str, str]] | None = None

    def __call__(self, spec: TrialSpec) -> Mapping[str, str]:
        """Return the trial's fingerprints, by `data` and `weights`."""
        if self._last is None or spec.data is not self._last[0] or spec.model is not self._last[1]:
            self._last = spec.data, spec.model, self._of_choice(spec)
            self._served.clear()
        if self._checks:  # a grid's neighbours share most of it: 100,000 cells are planned in seconds
            self._check(spec)
        return self._last[2]

    def _check(self, spec: TrialSpec) -> None:
        from harness.method.compatibility import check, deciding

        part = deciding(spec)
        if part not in self._served:
            check(spec)
            self._served.add(part)

    def _of_choice(self, spec: TrialSpec) -> Mapping[str, str]:
        choice = json.dumps([spec.data.to_dict(), spec.model.to_dict()], sort_keys=True)
        if choice not in self._known:
            if self._look is None:
                from harness.method.trial import fingerprints

                self._look = fingerprints
            self._known[choice] = self._look(spec)
        return self._known[choice]


class Labels:
    """Labels of many trials, one after the other: only settings that differ from the last one's are put into words."""

    def __init__(self, axes: Sequence[str]) -> None:
        self._axes = [(axis, *axis.split(".")) for axis in dict.fromkeys((*axes, "seed"))]
        self._last: list[Any] = [None] * len(self._axes)
        self._words = [""] * len(self._axes)

    def of(self, spec: TrialSpec) -> str:
        """Return the settings in which the trials differ, in words: `fusion=spatial seed=0`."""
        for place, (axis, first, *rest) in enumerate(self._axes):
            value = getattr(spec, first, None)
            if value is not self._last[place]:
                self._last[place], self._words[place] = value, _word(axis, value, rest)
        return " ".join(filter(None, self._words))


def label(spec: TrialSpec, axes: Sequence[str]) -> str:
    """Return the settings in which the trials differ, in words: `fusion=spatial seed=0`."""
    return Labels(axes).of(spec)


def _word(axis: str, value: Any, rest: Sequence[str]) -> str:
    """Return one axis and its value, nothing where the trial has no such setting."""
    if isinstance(value, tuple) and value and isinstance(value[0], Choice):  # losses
        value = {loss.name: loss.knobs for loss in value}
    elif isinstance(value, Choice) and rest:
        value = value.knobs
    for key in rest:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, Choice):
        value = value.name
    elif isinstance(value, Mapping):
        value = "+".join(value)
    return "" if value is None else f"{axis}={value}"
