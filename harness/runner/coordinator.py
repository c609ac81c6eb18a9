"""The loop over source, execution, store and tracking: what is done is skipped, what ends is kept, whatever happens."""

import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError
from harness.runner import record_writer
from harness.runner.attempts import Attempt, Policy, Verdict, judge
from harness.runner.callbacks import Progress
from harness.runner.executors.base import Done, Event, Executor, Failed, Stepped, Task
from harness.runner.heartbeat import Heartbeat
from harness.runner.record_writer import Keeper
from harness.runner.repair import reconcile
from harness.runner.signals import FINISH, STOP, Interrupts
from harness.search.trial_source import Planned, Source
from harness.store import lock
from harness.store.mlflow_tracker import Tracker, Untracked, overall
from harness.store.store import Store

__all__ = ["Planned", "Policy", "Progress", "Summary", "conduct"]

GLANCE = 0.25  # seconds between looks at interrupts, timeouts and warnings
KEPT = ("failed", "pruned", "interrupted")  # records whose earlier attempts the next run of the trial carries on


@dataclass(frozen=True)
class Summary:
    """How many trials were planned, and what became of them; the rest was not started, and ``stopped`` may say why.

    ``signal`` is the last one that asked to stop, 0 for none; one that found nothing left to do changes nothing.
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
        """How many trials were not started."""
        return self.planned - self.done - self.skipped - self.failed - self.pruned - self.interrupted


def conduct(source: Source, store: Store, executor: Executor, tracker: Tracker | None = None, *,
            policy: Policy | None = None, progress: Progress | None = None) -> Summary:
    """Run the source's trials until it is exhausted, and return how it went.

    Ctrl-C once lets the running trials finish, twice stops them, three times raises KeyboardInterrupt; SIGTERM stops
    them. Raises UsageError when another coordinator runs this experiment, Resumable when the store cannot be written.
    """
    began = time.monotonic()
    progress, tracker, policy = progress or Progress(), tracker or Untracked(), policy or Policy()
    with store.lock(), Interrupts() as interrupts:
        if not store.known():
            executor.warm()  # imports what a trial needs while the plan is made
        try:
            repaired = reconcile(store)
        except OSError as error:
            raise UsageError(f"{store.folder}: cannot be put in order: {error}") from error
        _check_probes(source, policy)
        progress.planned(source.total, source.done)
        for text in repaired:
            progress.warning(text)
        loop = _Loop(source, store, executor, tracker, policy, progress, interrupts)
        loop.run()
    count, total = loop.ended, source.total
    return Summary(source.done + count.total() if total is None else total, count["finished"], source.done,
                   count["failed"], count["pruned"], count["interrupted"], time.monotonic() - began, loop.given_up,
                   interrupts.signal if loop.cut_short else 0)


def _check_probes(source: Source, policy: Policy) -> None:
    """Raise UsageError where trials would be probed at other steps than those that a pruner reads."""
    every = source.options().probe_every
    if every and policy.probe_every not in (0, every):
        raise UsageError(f"--probe {policy.probe_every}: this search's pruner reads its trials every {every} steps; "
                         f"leave --probe out, or change search.pruner.every")


class _Loop:
    """Dispatches trials and takes in what comes back."""

    def __init__(self, source: Source, store: Store, executor: Executor, tracker: Tracker, policy: Policy,
                 progress: Progress, interrupts: Interrupts) -> None:
        self.source, self.store, self.executor, self.tracker = source, store, executor, tracker
        self.policy, self.progress, self.interrupts = policy, progress, interrupts
        self.keeper = Keeper(store, source, tracker, progress, self.count)
        self.heartbeat, self.began = Heartbeat(store.folder), lock.now()
        self.running: dict[str, Attempt] = {}
        self.waiting: deque[Attempt] = deque()  # to be tried again, or not begun because the disk was full
        self.ended: Counter[str] = Counter()
        self.in_a_row, self.given_up = 0, ""
        self.obeyed, self.cut_short = 0, False

    def run(self) -> None:
        """Run the trials; return early when asked to stop, or when too many have failed in a row."""
        try:
            self.tracker.resume()
            while True:
                self.attend()
                self.fill()
                self.heartbeat.beat(self.state)
                if self.running:
                    self.tracker.open()  # after the first dispatch: importing mlflow takes seconds
                    self.executor.wait(self.handle, GLANCE)
                elif self.interrupts.level < STOP and (self.keeper.blocked or (self.waiting and not self.stopping)):
                    time.sleep(min(GLANCE, record_writer.AGAIN))
                else:
                    break
            self.finish()
            self.tracker.close(overall([*self.ended, *(["interrupted"] if self.cut_short or self.given_up else [])]))
        except Exception:  # whatever it is goes on upwards, once `status` and MLflow know
            self.rest()
            self.tracker.close("FAILED")
            raise
        finally:
            self.source.close()
            self.warn()

    def fill(self) -> None:
        """Start trials while there is room for them."""
        while len(self.running) < self.executor.workers and not self.stopping and not self.keeper.blocked:
            attempt = self.waiting.popleft() if self.waiting else self.take()
            if attempt is None:
                return
            if not self.keeper.begin(attempt):
                self.waiting.appendleft(attempt)
                return
            self.progress.started(attempt.trial)
            attempt.since = time.monotonic()
            self.running[attempt.trial.id] = attempt
            self.executor.submit(Task(attempt.trial.id, attempt.trial.spec, attempt.trial.label, attempt.options))

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be started."""
        return bool(self.interrupts.level or self.given_up)

    def take(self) -> Attempt | None:
        """Return the first attempt at the next trial, with the attempts of earlier runs."""
        trial = self.source.next()
        if trial is None:
            return None
        options = self.source.options()
        if self.policy.probe_every:
            options = replace(options, probe_every=self.policy.probe_every)
        record = self.store.record(trial.id) if trial.status in KEPT else None
        return Attempt(trial, options, [] if record is None else [*record["attempts"], {
            "reason": record["reason"], "cause": record["status"], "ended": record["ended"], "options": {}}])

    def handle(self, event: Event) -> None:
        """Take in one event."""
        attempt = self.running[event.id]
        if isinstance(event, Stepped):
            attempt.step, attempt.worker = event.step, event.worker
            self.progress.step(attempt.trial, event.step, event.worker)
            if not attempt.stopped and self.source.stepped(attempt.trial, event.step):
                self.stop(attempt, "pruned", f"pruned at step {event.step.step} of {event.step.steps}")
            self.attend()
            self.heartbeat.beat(self.state)
            return
        del self.running[event.id]
        self.conclude(attempt, event, judge(attempt, event, self.policy))

    def conclude(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        """Try the trial again, or keep what became of it."""
        if verdict.again and not self.stopping:
            following = attempt.after(verdict)
            self.progress.repeated(attempt.trial, verdict.reason, following.how)
            self.waiting.append(following)
            return
        if verdict.again and self.interrupts.level:
            verdict = Verdict("interrupted", f"stopped before it was tried again: {verdict.reason}")
        self.keeper.keep(attempt, event, verdict)

    def count(self, verdict: Verdict) -> None:
        """Count a trial that is kept; give up after too many failures in a row."""
        self.ended[verdict.status] += 1
        if verdict.status == "failed":
            self.in_a_row += 1
            if self.in_a_row == self.policy.failures_in_a_row:
                self.given_up = f"{self.in_a_row} trials in a row failed, the last one: {verdict.reason}"
        elif verdict.status != "interrupted":
            self.in_a_row = 0

    def attend(self) -> None:
        """Look after what time and the user bring."""
        level = self.interrupts.level
        if level > self.obeyed:
            self.obeyed = level
            if level == FINISH and self.running:
                self.progress.warning("stopping when what runs has ended; Ctrl-C again stops it now")
            elif level >= STOP:
                for attempt in self.running.values():
                    self.stop(attempt, "interrupted", "stopped on request")
        limit = self.policy.timeout
        for attempt in self.running.values() if limit else ():
            if not attempt.stopped and limit and time.monotonic() - attempt.since > limit:
                self.stop(attempt, "timeout", f"no result within {limit:g} s")
        self.keeper.retry()
        self.warn()

    def stop(self, attempt: Attempt, kind: str, why: str) -> None:
        """Stop an attempt that is under way."""
        attempt.stopped, attempt.why = kind, why
        self.executor.cancel(attempt.trial.id)

    def finish(self) -> None:
        """Keep what was waiting to be tried again when the run was stopped; tell how it stands at the end."""
        for attempt in self.waiting:
            if attempt.number:
                reason = f"stopped before it was tried again: {attempt.earlier[-1]['reason']}"
                self.conclude(attempt, Failed(attempt.trial.id, "cancelled", reason), Verdict("interrupted", reason))
        self.keeper.close()
        if self.interrupts.level:
            self.cut_short = bool(self.waiting or self.ended["interrupted"] or not self.source.exhausted())
        self.rest()

    def rest(self) -> None:
        """Tell other processes that the run is over."""
        self.heartbeat.beat(lambda: {**self.state(), "over": True}, now=True)

    def state(self) -> dict[str, Any]:
        """Return where the run stands, for other processes."""
        return {"began": self.began, "total": self.source.total, "skipped": self.source.done,
                "ended": dict(self.ended), "running": {trial: attempt.state for trial, attempt in self.running.items()},
                "stopped": self.given_up, "over": False}

    def warn(self) -> None:
        """Pass on the tracker's warnings."""
        for text in self.tracker.warnings():
            self.progress.warning(text)
