"""What becomes of an attempt at a trial: kept, tried again with what other options, or given up."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.config.spec import RunOptions
from harness.runner.executors.base import Done, Failed
from harness.search.trial_source import Planned
from harness.store import lock

if TYPE_CHECKING:
    from harness.method.optimise import Step

REPEATED = ("died", "error", "timeout")  # may go well another time; bad settings and NaN never do


@dataclass(frozen=True)
class Policy:
    """How often a failed trial is tried again, how long an attempt may take, and when a run gives up.

    ``timeout`` is in seconds from the start of an attempt, None for as long as it takes. ``failures_in_a_row`` counts
    trials that failed for good, 0 for no limit. ``probe_every`` is in steps, 0 for what the source of trials asks for.
    """

    retries: int = 2
    timeout: float | None = None
    failures_in_a_row: int = 5
    probe_every: int = 0


@dataclass
class Attempt:
    """An attempt at a trial that is under way: how it is run, where it stands, and how earlier ones ended.

    ``number`` counts from 0 in this run of the trial, which ``started`` names; ``repeats`` of them used up a retry.
    ``since`` is the monotonic clock's. ``stopped`` says why the coordinator has stopped it: `timeout`, `pruned`,
    `interrupted`, or nothing, and ``why`` in words.
    """

    trial: Planned
    options: RunOptions
    earlier: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0
    repeats: int = 0
    started: str = ""
    since: float = 0.0
    worker: str = ""
    step: "Step | None" = None
    stopped: str = ""
    why: str = ""

    @property
    def how(self) -> str:
        """Return which attempt this is, and what is changed for it, in words."""
        batch = f" with {self.options.micro_batch} scenes per backward pass" if self.options.micro_batch else ""
        return f"attempt {self.number + 1}{batch}"

    @property
    def state(self) -> dict[str, Any]:
        """Return where it stands, as plain data."""
        state = {"label": self.trial.label, "worker": self.worker, "attempt": self.number + 1,
                 "seconds": time.monotonic() - self.since, "step": 0, "steps": self.trial.spec.steps}
        if self.step is None:
            return state
        return {**state, "step": self.step.step, "steps": self.step.steps, "losses": self.step.losses,
                "probe": self.step.probe}

    def note(self, verdict: "Verdict") -> dict[str, Any]:
        """Return what the trial's record keeps of this attempt when another one follows."""
        return {"reason": verdict.reason, "cause": verdict.cause, "ended": lock.now(), "options": asdict(self.options)}

    def after(self, verdict: "Verdict") -> "Attempt":
        """Return the next attempt."""
        return Attempt(self.trial, verdict.again or self.options, [*self.earlier, self.note(verdict)], self.number + 1,
                       self.repeats + (verdict.cause in REPEATED), self.started)


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended: the trial's status and reason if it is the last; with ``again``, how it is tried again."""

    status: str
    reason: str = ""
    cause: str = ""
    again: RunOptions | None = None


def judge(attempt: Attempt, event: Done | Failed, policy: Policy) -> Verdict:
    """Return what becomes of an attempt that has ended."""
    if isinstance(event, Done):
        reason = event.result.reason or _foreign(attempt.trial, event)
        return Verdict("failed", reason) if reason or event.result.status == "failed" else Verdict("finished")
    cause, reason = str(event.cause), event.reason
    if attempt.stopped and cause in ("cancelled", "died"):
        cause, reason = attempt.stopped, attempt.why
    if cause == "cancelled":
        cause, reason = "interrupted", "stopped on request"
    if cause in ("pruned", "interrupted"):
        return Verdict(cause, reason, cause)
    return Verdict("failed", reason, cause, _again(attempt, cause, policy))


def _again(attempt: Attempt, cause: str, policy: Policy) -> RunOptions | None:
    """Return how a failed trial is tried again, None where it is not: halving the micro-batch costs no retry."""
    if cause == "memory" and policy.retries:
        batch = attempt.options.micro_batch or attempt.trial.spec.scenes_per_step
        return replace(attempt.options, micro_batch=batch // 2) if batch > 1 else None
    return attempt.options if cause in REPEATED and attempt.repeats < policy.retries else None


def _foreign(trial: Planned, event: Done) -> str:
    """Return why a result is not the trial's own, or nothing: its id stands for certain data and weights."""
    prints = event.result.fingerprints
    same = trial.spec.id(prints["data"], prints["weights"]) == trial.id
    return "" if same else "the data or the weights changed while it ran"
