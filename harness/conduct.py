"""The loop over plan, execution, store and tracking: what is done is skipped, what ends is kept, whatever happens."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness import environment
from harness.execution._base import Done, Event, Executor, Failed, Stepped, Task
from harness.interrupts import FINISH, STOP, Interrupts
from harness.plugins import UsageError
from harness.spec import Experiment, TrialSpec
from harness.store import Store
from harness.tracking import Tracker, Untracked, overall

if TYPE_CHECKING:
    from harness.optimise import Step
    from harness.results import TrialResult

GLANCE = 0.25  # seconds between looks at interrupts and warnings
Fingerprints = Callable[[TrialSpec], Mapping[str, str]]


@dataclass(frozen=True)
class Planned:
    """One trial of the plan: its id, what tells it from the others, and what the store had of it before the run."""

    id: str
    spec: TrialSpec
    label: str
    fingerprints: Mapping[str, str]
    status: str


@dataclass(frozen=True)
class Summary:
    """How many trials were planned, and what became of them; the rest was not started."""

    planned: int
    done: int
    skipped: int
    failed: int
    interrupted: int
    seconds: float

    @property
    def left(self) -> int:
        """How many trials were not started."""
        return self.planned - self.done - self.skipped - self.failed - self.interrupted


class Progress:
    """What a command may want to hear, always in the thread that called `conduct`. Does nothing by itself."""

    def planned(self, trials: Sequence[Planned]) -> None:
        """The plan is made; nothing has started."""

    def started(self, trial: Planned) -> None:
        """A trial was handed to a worker."""

    def step(self, trial: Planned, step: "Step") -> None:
        """A trial has made a step; at most some ten a second are told."""

    def finished(self, trial: Planned, result: "TrialResult") -> None:
        """A trial is in the store."""

    def failed(self, trial: Planned, reason: str) -> None:
        """A trial has failed; it runs again next time."""

    def interrupted(self, trial: Planned) -> None:
        """A trial was stopped; it runs again next time."""

    def warning(self, text: str) -> None:
        """Something the user should know that stops nothing."""


def plan(experiment: Experiment, store: Store, fingerprints: Fingerprints | None = None) -> tuple[Planned, ...]:
    """Return the experiment's trials in planned order, each id once; data and weights are looked at once per choice."""
    if fingerprints is None:
        from harness.trial import fingerprints as of_trial

        fingerprints = of_trial
    known: dict[str, Mapping[str, str]] = {}
    trials: dict[str, Planned] = {}
    for spec in experiment.trials:
        choice = json.dumps([spec.data.to_dict(), spec.model.to_dict()], sort_keys=True)
        if choice not in known:
            known[choice] = fingerprints(spec)
        trial = spec.id(known[choice]["data"], known[choice]["weights"])
        if trial not in trials:
            trials[trial] = Planned(trial, spec, _label(spec, experiment.axes), known[choice], store.status(trial))
    return tuple(trials.values())


def conduct(experiment: Experiment, store: Store, executor: Executor, tracker: Tracker | None = None, *,
            force: bool = False, progress: Progress | None = None, fingerprints: Fingerprints | None = None) -> Summary:
    """Run what the store does not hold as finished (with ``force``, everything), and return how it went.

    Ctrl-C once lets the running trial finish, twice stops it, three times raises KeyboardInterrupt; SIGTERM stops it.
    Raises UsageError when another coordinator runs this experiment, or when the store cannot be written.
    """
    began = time.monotonic()
    progress = progress or Progress()
    with store.lock(), Interrupts() as interrupts:
        if force or len(store.records()) < len(experiment.trials):
            executor.warm()  # imports what a trial needs while the plan is made
        trials = plan(experiment, store, fingerprints)
        progress.planned(trials)
        for name, problem in store.unreadable().items():
            progress.warning(f"{store.path(name)} is not trusted: {problem}")
        todo = [trial for trial in trials if force or trial.status != "finished"]
        loop = _Loop(store, executor, tracker or Untracked(), progress, interrupts)
        loop.run(todo)
    count = loop.ended.count
    return Summary(len(trials), count("finished"), len(trials) - len(todo), count("failed"), count("interrupted"),
                   time.monotonic() - began)


class _Loop:
    """Dispatches trials and takes in what comes back."""

    def __init__(self, store: Store, executor: Executor, tracker: Tracker, progress: Progress,
                 interrupts: Interrupts) -> None:
        self.store, self.executor, self.tracker, self.progress = store, executor, tracker, progress
        self.interrupts, self.obeyed = interrupts, 0
        self.running: dict[str, Planned] = {}
        self.ended: list[str] = []

    def run(self, todo: Sequence[Planned]) -> None:
        """Run the trials; return early when asked to stop."""
        queue = deque(todo)
        try:
            while queue or self.running:
                self.obey()
                while queue and len(self.running) < self.executor.workers and not self.interrupts.level:
                    self.dispatch(queue.popleft())
                if not self.running:
                    break
                self.tracker.open()  # after the first dispatch: importing mlflow takes seconds
                self.executor.wait(self.handle, GLANCE)
            self.tracker.close(overall([*self.ended, *("interrupted" for _ in queue)]))
        except Exception:
            self.tracker.close("FAILED")
            raise
        finally:
            self.warn()

    def dispatch(self, trial: Planned) -> None:
        """Hand one trial to the executor."""
        self.progress.started(trial)
        started = self.store.begin(trial.id)
        self.executor.submit(Task(trial.id, trial.spec, trial.label))
        self.running[trial.id] = trial
        self.tracker.started(trial.id, started, trial.label, trial.spec.to_dict())

    def handle(self, event: Event) -> None:
        """Take in one event."""
        trial = self.running[event.id]
        if isinstance(event, Stepped):
            self.progress.step(trial, event.step)
            self.obey()
            return
        del self.running[event.id]
        try:
            self.keep(trial, event)
        except OSError as error:
            raise UsageError(f"{self.store.folder}: cannot keep trial {trial.id}: {error.strerror or error}") from error
        self.tracker.ended(trial.id, trial.label)

    def keep(self, trial: Planned, event: Done | Failed) -> None:
        """Write the trial's record and say so."""
        surroundings = {**environment.software(), **event.environment, **environment.source()}
        if isinstance(event, Done):
            result = self.checked(trial, event.result)
            self.store.save(trial.id, trial.spec, result, event.panels, surroundings)
            for warning in event.warnings:
                self.progress.warning(f"{trial.label}: {warning}")
            status, reason = result.status, result.reason
            if status == "finished":
                self.progress.finished(trial, result)
        else:
            stopped = event.cause == "cancelled" or (event.cause == "died" and self.interrupts.level >= STOP)
            status, reason = ("interrupted", "stopped on request") if stopped else ("failed", event.reason)
            self.store.fail(trial.id, trial.spec, reason, surroundings, status=status,
                            fingerprints=trial.fingerprints, traceback=event.traceback)
        self.ended.append(status)
        if status == "failed":
            self.progress.failed(trial, reason)
        elif status == "interrupted":
            self.progress.interrupted(trial)

    def checked(self, trial: Planned, result: "TrialResult") -> "TrialResult":
        """Return the result, failed where the data or weights are no longer those that its id stands for."""
        if trial.spec.id(result.fingerprints["data"], result.fingerprints["weights"]) == trial.id:
            return result
        return replace(result, status="failed", reason="the data or the weights changed while it ran")

    def obey(self) -> None:
        """Act on interrupts that have come since the last look, and pass on the tracker's warnings."""
        level = self.interrupts.level
        if level > self.obeyed:
            self.obeyed = level
            if level == FINISH and self.running:
                self.progress.warning("stopping when the running trial ends; Ctrl-C again stops it now")
            elif level >= STOP:
                for trial in self.running:
                    self.executor.cancel(trial)
        self.warn()

    def warn(self) -> None:
        """Pass on the tracker's warnings."""
        for text in self.tracker.warnings():
            self.progress.warning(text)


def _label(spec: TrialSpec, axes: Sequence[str]) -> str:
    """Return the settings in which the trials differ, in words: `fusion=spatial seed=0`."""
    plain = spec.to_dict()
    words = []
    for axis in dict.fromkeys((*axes, "seed")):
        value: Any = plain
        for key in axis.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping):
            value = value.get("name", "+".join(value))
        if value is not None:
            words.append(f"{axis}={value}")
    return " ".join(words)
