"""Attempts at a trial, and the verdict on each: its result counts, it is tried again, or the trial has failed."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.config.spec import RunOptions
from harness.runner.executors.base import Done, Failed
from harness.search.trial_source import PlannedTrial
from harness.store import lock

if TYPE_CHECKING:
    from harness.method.optimise import Step

RETRIED_CAUSES = ("died", "error", "timeout")  # another attempt may succeed; bad settings and NaN fail again
BUGS = ("AssertionError", "AttributeError", "ImportError", "IndexError", "KeyError", "ModuleNotFoundError", "NameError",
        "NotImplementedError", "TypeError", "UnboundLocalError", "ZeroDivisionError")  # these raise again


@dataclass(frozen=True)
class Policy:
    """The number of retries, the time limit of an attempt, and the limit at which a run gives up.

    ``timeout`` is in seconds from the start of an attempt, None for no limit. ``failures_in_a_row`` counts trials that
    failed after their last attempt, 0 for no limit. ``probe_every`` is in steps, 0 for the source's own choice;
    ``snapshot_every`` too, 0 for never.
    """

    retries: int = 2
    timeout: float | None = None
    failures_in_a_row: int = 5
    probe_every: int = 0
    snapshot_every: int = 0


@dataclass
class Attempt:
    """A running attempt at a trial: its options, its last step, and the records of earlier attempts.

    ``number`` counts from 0 in this run of the trial, ``retries`` those that used up a retry. ``started`` is the time
    in the start marker, ``clock_start`` that of time.monotonic. If the coordinator has stopped the attempt,
    ``stop_cause`` is `timeout`, `pruned` or `interrupted`, else "".
    """

    trial: PlannedTrial
    options: RunOptions
    earlier: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0
    retries: int = 0
    started: str = ""
    clock_start: float = 0.0
    worker: str = ""
    step: "Step | None" = None
    stop_cause: str = ""
    stop_reason: str = ""

    @property
    def description(self) -> str:
        """The attempt's number, and its micro-batch if it has one, in words."""
        batch = f" with {self.options.micro_batch} scenes per backward pass" if self.options.micro_batch else ""
        return f"attempt {self.number + 1}{batch}"

    @property
    def state(self) -> dict[str, Any]:
        """The attempt's progress, as plain data for the heartbeat."""
        state = {"label": self.trial.label, "worker": self.worker, "attempt": self.number + 1,
                 "seconds": time.monotonic() - self.clock_start, "step": 0, "steps": self.trial.spec.steps}
        if self.step is None:
            return state
        return {**state, "step": self.step.step, "steps": self.step.steps, "losses": self.step.losses,
                "probe": self.step.probe}

    def to_record(self, verdict: "Verdict") -> dict[str, Any]:
        """Return the entry for this attempt in the trial's record, if another attempt follows."""
        return {"reason": verdict.reason, "cause": verdict.cause, "ended": lock.now(), "options": asdict(self.options)}

    def next_attempt(self, verdict: "Verdict") -> "Attempt":
        """Return the attempt that follows this one."""
        earlier = [*self.earlier, self.to_record(verdict)]
        return Attempt(self.trial, verdict.retry or self.options, earlier, self.number + 1,
                       self.retries + (verdict.cause in RETRIED_CAUSES), self.started)


@dataclass(frozen=True)
class Verdict:
    """The end of an attempt: the trial's status and reason if it is the last; ``retry`` has the next one's options."""

    status: str
    reason: str = ""
    cause: str = ""
    retry: RunOptions | None = None


def judge(attempt: Attempt, event: Done | Failed, policy: Policy) -> Verdict:
    """Return the verdict on an attempt that has ended."""
    if isinstance(event, Done):
        reason = event.result.reason or _fingerprint_fault(attempt.trial, event)
        return Verdict("failed", reason) if reason or event.result.status == "failed" else Verdict("finished")
    cause, reason = str(event.cause), event.reason
    if attempt.stop_cause and cause in ("cancelled", "died"):
        cause, reason = attempt.stop_cause, attempt.stop_reason
    if cause == "cancelled":
        cause, reason = "interrupted", "stopped on request"
    if cause in ("pruned", "interrupted"):
        return Verdict(cause, reason, cause)
    return Verdict("failed", reason, cause, _retry_options(attempt, cause, reason, policy))


def _retry_options(attempt: Attempt, cause: str, reason: str, policy: Policy) -> RunOptions | None:
    """Return the options of the next attempt, None if there is none; halving the micro-batch uses up no retry."""
    if cause == "memory" and policy.retries:
        batch = attempt.options.micro_batch or attempt.trial.spec.scenes_per_step
        return replace(attempt.options, micro_batch=batch // 2) if batch > 1 else None
    if cause not in RETRIED_CAUSES or attempt.retries >= policy.retries:
        return None
    return None if cause == "error" and _raises_again(attempt, reason) else attempt.options


def _raises_again(attempt: Attempt, reason: str) -> bool:
    """Return True for a mistake in the code, and for the error that ended the attempt before."""
    is_bug = reason.partition(":")[0] in BUGS
    return is_bug or any(entry["cause"] == "error" and entry["reason"] == reason for entry in attempt.earlier[-1:])


def _fingerprint_fault(trial: PlannedTrial, event: Done) -> str:
    """Return a message if the result is of other data or weights than the trial's id, else ""."""
    fingerprints = event.result.fingerprints
    same = trial.spec.id(fingerprints["data"], fingerprints["weights"]) == trial.id
    return "" if same else "the data or the weights changed while it ran"
