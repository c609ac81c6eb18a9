"""The coordinator: starts planned trials, retries failed ones, writes their records, and obeys Ctrl-C."""

import time
from collections import Counter, deque
from dataclasses import replace
from typing import Any

from harness.errors import UsageError
from harness.runner import record_writer
from harness.runner.attempts import Attempt, Policy, Verdict, judge
from harness.runner.callbacks import Progress
from harness.runner.executors.base import Done, Event, Executor, Failed, Stepped, Task
from harness.runner.heartbeat import Heartbeat
from harness.runner.record_writer import RecordWriter
from harness.runner.repair import repair_store
from harness.runner.signals import FINISH, STOP, Interrupts
from harness.runner.summary import Summary
from harness.search.trial_source import PlannedTrial, TrialSource
from harness.store import lock
from harness.store.mlflow_tracker import Tracker, overall_status
from harness.store.store import Store

__all__ = ["PlannedTrial", "Policy", "Progress", "Summary", "run_trials"]

POLL_SECONDS = 0.25  # between checks of signals, time-outs and warnings
CONTINUED = ("failed", "pruned", "interrupted")  # statuses of records whose attempts the trial's next run carries on


def run_trials(source: TrialSource, store: Store, executor: Executor, tracker: Tracker | None = None, *,
               policy: Policy | None = None, progress: Progress | None = None) -> Summary:
    """Run the source's trials until none is left, and return their numbers by outcome.

    The first Ctrl-C lets running trials finish, the second stops them, as SIGTERM does. The third raises
    KeyboardInterrupt.

    Args:
        source: the trials, from a grid or a search; it skips the finished ones of the store.
        store: receives a record for every trial that ends.
        executor: the place where trials run; it stays open.
        tracker: mirrors the store, in MLflow for example; by default nothing does.
        policy: retries, time-outs, and when to give up.
        progress: callbacks for a screen.

    Raises:
        UsageError: another coordinator runs this experiment, its folder cannot be repaired, or ``policy`` contradicts
            the search.
        Resumable: the store cannot be written; the same call continues later.

    Example:
        >>> from harness.config.load import load
        >>> from harness.method.results import TrialResult
        >>> from harness.search.grid import Grid
        >>> marks = {"data": "d1", "weights": "w1"}
        >>> class Instant(Executor):
        ...     workers = 1
        ...     def submit(self, task): self.task = task
        ...     def cancel(self, trial): pass
        ...     def wait(self, handle, seconds=None):
        ...         result = TrialResult("finished", "", {"pck@0.1": 0.5}, {}, {}, {}, {}, None, marks)
        ...         handle(Done(self.task.id, result, {}, {}))
        >>> experiment, store = load("quick"), Store("results", "quick")
        >>> run_trials(Grid(experiment, store, lambda spec: marks), store, Instant()).done
        2
        >>> run_trials(Grid(experiment, store, lambda spec: marks), store, Instant()).skipped
        2
    """
    began = time.monotonic()
    progress, tracker, policy = progress or Progress(), tracker or Tracker(), policy or Policy()
    with store.lock(), Interrupts() as interrupts:
        if not store.started_ids():
            executor.warm()  # imports what a trial needs while the plan is made
        try:
            repairs = repair_store(store)
        except OSError as error:
            raise UsageError(f"{store.folder}: cannot be put in order: {error}") from error
        _check_probes(source, policy)
        progress.planned(source.total, source.done)
        for text in repairs:
            progress.warning(text)
        coordinator = Coordinator(source, store, executor, tracker, policy, progress, interrupts)
        coordinator.run()
    count, total = coordinator.ended, source.total
    return Summary(source.done + count.total() if total is None else total, count["finished"], source.done,
                   count["failed"], count["pruned"], count["interrupted"], time.monotonic() - began,
                   coordinator.gave_up, interrupts.signal if coordinator.cut_short else 0)


def _check_probes(source: TrialSource, policy: Policy) -> None:
    """Raise UsageError if trials would be probed at other steps than those that a pruner reads."""
    every = source.options().probe_every
    if every and policy.probe_every not in (0, every):
        raise UsageError(f"--probe {policy.probe_every}: this search's pruner reads its trials every {every} steps; "
                         f"leave --probe out, or change search.pruner.every")


class Coordinator:
    """Starts trials on the executor and handles its events, in one thread."""

    def __init__(self, source: TrialSource, store: Store, executor: Executor, tracker: Tracker, policy: Policy,
                 progress: Progress, interrupts: Interrupts) -> None:
        self.source, self.store, self.executor, self.tracker = source, store, executor, tracker
        self.policy, self.progress, self.interrupts = policy, progress, interrupts
        self.writer = RecordWriter(store, source, tracker, progress, self.count)
        self.heartbeat, self.began = Heartbeat(store.folder), lock.now()
        self.running: dict[str, Attempt] = {}
        self.waiting: deque[Attempt] = deque()  # retries, and an attempt that a full disk kept from starting
        self.ended: Counter[str] = Counter()
        self.consecutive_failures, self.gave_up = 0, ""
        self.handled_level, self.cut_short = 0, False

    def run(self) -> None:
        """Run the trials; return early on a signal, or after too many failures in a row."""
        try:
            self.tracker.resume()
            while True:
                self.poll()
                self.start_trials()
                self.heartbeat.beat(self.state)
                if self.running:
                    self.tracker.open()  # after the first trial has started: importing mlflow takes seconds
                    self.executor.wait(self.handle, POLL_SECONDS)
                elif self.interrupts.level < STOP and (self.writer.blocked or (self.waiting and not self.stopping)):
                    time.sleep(min(POLL_SECONDS, record_writer.RETRY_SECONDS))
                else:
                    break
            self.finish()
            unfinished = ["interrupted"] if self.cut_short or self.gave_up else []
            self.tracker.close(overall_status([*self.ended, *unfinished]))
        except Exception:  # raised again once `status` and MLflow know of it
            self.announce_end()
            self.tracker.close("FAILED")
            raise
        finally:
            self.source.close()
            self.forward_warnings()

    @property
    def stopping(self) -> bool:
        """True if no further trial is to start."""
        return bool(self.interrupts.level or self.gave_up)

    def start_trials(self) -> None:
        """Start trials while the executor has free workers."""
        while len(self.running) < self.executor.workers and not self.stopping and not self.writer.blocked:
            attempt = self.waiting.popleft() if self.waiting else self.next_attempt()
            if attempt is None:
                return
            if not self.writer.mark_started(attempt):
                self.waiting.appendleft(attempt)
                return
            self.progress.started(attempt.trial)
            attempt.clock_start = time.monotonic()
            self.running[attempt.trial.id] = attempt
            self.executor.submit(Task(attempt.trial.id, attempt.trial.spec, attempt.trial.label, attempt.options))

    def next_attempt(self) -> Attempt | None:
        """Return the first attempt at the source's next trial; earlier runs' attempts come with it."""
        trial = self.source.next()
        if trial is None:
            return None
        options = replace(self.source.options(), snapshot_every=self.policy.snapshot_every)
        if self.policy.probe_every:
            options = replace(options, probe_every=self.policy.probe_every)
        record = self.store.record(trial.id) if trial.status in CONTINUED else None
        return Attempt(trial, options, [] if record is None else [*record["attempts"], {
            "reason": record["reason"], "cause": record["status"], "ended": record["ended"], "options": {}}])

    def handle(self, event: Event) -> None:
        """Handle an event of the executor."""
        attempt = self.running[event.id]
        if isinstance(event, Stepped):
            attempt.step, attempt.worker = event.step, event.worker
            self.progress.step(attempt.trial, event.step, event.worker)
            if not attempt.stop_cause and self.source.report_step(attempt.trial, event.step):
                self.stop(attempt, "pruned", f"pruned at step {event.step.step} of {event.step.steps}")
            self.poll()
            self.heartbeat.beat(self.state)
            return
        del self.running[event.id]
        self.retry_or_write(attempt, event, judge(attempt, event, self.policy))

    def retry_or_write(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        """Queue another attempt if the verdict asks for one, else write the trial's record."""
        if verdict.retry and not self.stopping:
            following = attempt.next_attempt(verdict)
            self.progress.repeated(attempt.trial, verdict.reason, following.description)
            self.waiting.append(following)
            return
        if verdict.retry and self.interrupts.level:
            verdict = Verdict("interrupted", f"stopped before it was tried again: {verdict.reason}")
        self.writer.write(attempt, event, verdict)

    def count(self, verdict: Verdict) -> None:
        """Count a trial whose record is written; give up after too many failures in a row."""
        self.ended[verdict.status] += 1
        if verdict.status == "failed":
            self.consecutive_failures += 1
            if self.consecutive_failures == self.policy.failures_in_a_row:
                self.gave_up = f"{self.consecutive_failures} trials in a row failed, the last one: {verdict.reason}"
        elif verdict.status != "interrupted":
            self.consecutive_failures = 0

    def poll(self) -> None:
        """Act on signals and time-outs, retry refused writes, and forward warnings."""
        level = self.interrupts.level
        if level > self.handled_level:
            self.handled_level = level
            if level == FINISH and self.running:
                self.progress.warning("stopping when what runs has ended; Ctrl-C again stops it now")
            elif level >= STOP:
                for attempt in self.running.values():
                    self.stop(attempt, "interrupted", "stopped on request")
        limit = self.policy.timeout
        for attempt in self.running.values() if limit else ():
            if not attempt.stop_cause and limit and time.monotonic() - attempt.clock_start > limit:
                self.stop(attempt, "timeout", f"no result within {limit:g} s")
        self.writer.retry()
        self.forward_warnings()

    def stop(self, attempt: Attempt, cause: str, reason: str) -> None:
        """Cancel a running attempt, and remember the cause for its verdict."""
        attempt.stop_cause, attempt.stop_reason = cause, reason
        self.executor.cancel(attempt.trial.id)

    def finish(self) -> None:
        """Write the records of trials whose retries were cut off, and announce the end."""
        for attempt in self.waiting:
            if attempt.number:
                reason = f"stopped before it was tried again: {attempt.earlier[-1]['reason']}"
                self.writer.write(attempt, Failed(attempt.trial.id, "cancelled", reason),
                                  Verdict("interrupted", reason))
        self.writer.close()
        if self.interrupts.level:
            self.cut_short = bool(self.waiting or self.ended["interrupted"] or not self.source.exhausted())
        self.announce_end()

    def announce_end(self) -> None:
        """Write a last heartbeat which says that the run is over."""
        self.heartbeat.beat(lambda: {**self.state(), "over": True}, now=True)

    def state(self) -> dict[str, Any]:
        """Return the run's state for the heartbeat."""
        return {"began": self.began, "total": self.source.total, "skipped": self.source.done,
                "ended": dict(self.ended), "running": {trial: attempt.state for trial, attempt in self.running.items()},
                "stopped": self.gave_up, "over": False}

    def forward_warnings(self) -> None:
        """Pass the tracker's warnings to the screen."""
        for text in self.tracker.warnings():
            self.progress.warning(text)
