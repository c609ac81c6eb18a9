"""What ended is written to the store and told; a store that cannot be written is waited for, and nothing is lost."""

import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from harness.errors import Resumable
from harness.runner import environment
from harness.runner.attempts import Attempt, Verdict
from harness.runner.callbacks import Progress
from harness.runner.executors.base import Done, Failed
from harness.search.trial_source import Source
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store

PATIENCE = 60.0  # seconds that a store which cannot be written is waited for
AGAIN = 1.0  # seconds between two tries of it


class Keeper:
    """The only writer of trials. Holds what could not be written, and tries again; meanwhile it is `blocked`."""

    def __init__(self, store: Store, source: Source, tracker: Tracker, progress: Progress,
                 kept: Callable[[Verdict], None]) -> None:
        self._store, self._source, self._tracker, self._progress = store, source, tracker, progress
        self._kept = kept
        self._waiting: deque[tuple[Attempt, Done | Failed, Verdict]] = deque()
        self._patience = PATIENCE
        self._since = self._tried = 0.0
        self._problem = ""

    @property
    def blocked(self) -> bool:
        """Whether something cannot be written, and it is not yet time to try again."""
        return bool(self._waiting) or (bool(self._problem) and time.monotonic() - self._tried < AGAIN)

    def begin(self, attempt: Attempt) -> bool:
        """Note that an attempt starts; return False, and be blocked, when that cannot be written."""
        trial = attempt.trial
        try:
            if attempt.number:
                self._store.again(trial.id, attempt.earlier)
            else:
                attempt.started = self._store.begin(trial.id, trial.spec, trial.fingerprints, attempt.earlier)
        except OSError as error:
            self._block(f"cannot note that trial {trial.id} starts", error)
            return False
        self._problem = ""
        if not attempt.number:
            self._tracker.started(trial.id, attempt.started, trial.label, trial.spec.to_dict())
        return True

    def keep(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        """Write the trial's record and tell of it, now or when it can be written."""
        self._waiting.append((attempt, event, verdict))
        self._flush()

    def retry(self) -> None:
        """Write what could not be written, if it is time; raise Resumable when patience is at an end."""
        if self._waiting and time.monotonic() - self._tried >= AGAIN:
            self._flush()

    def close(self) -> None:
        """Try a last time; raise Resumable when something stays unwritten."""
        self._patience = 0.0
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            attempt, event, verdict = self._waiting[0]
            try:
                verdict = self._write(attempt, event, verdict)
            except OSError as error:
                self._block(f"cannot keep trial {attempt.trial.id}", error)
                return
            self._problem = ""
            self._waiting.popleft()
            self._tell(attempt, event, verdict)

    def _write(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> Verdict:
        """Write the record; return the verdict, failed when the result is nothing that can be written."""
        trial = attempt.trial
        surroundings = {**environment.software(), **event.environment, **environment.source()}
        trace = event.traceback if isinstance(event, Failed) else ""
        if isinstance(event, Done):
            result = replace(event.result, status=verdict.status, reason=verdict.reason)
            try:
                self._store.save(trial.id, trial.spec, result, event.panels, surroundings)
                return verdict
            except OSError:
                raise
            except Exception as error:  # a plug-in's scores may be of any kind that no file holds
                verdict = Verdict("failed", f"its result cannot be kept: {type(error).__name__}: {error}", "error")
                trace = traceback.format_exc()
        self._store.fail(trial.id, trial.spec, verdict.reason, surroundings, status=verdict.status,
                         fingerprints=trial.fingerprints, traceback=trace)
        return verdict

    def _tell(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        trial = attempt.trial
        self._kept(verdict)
        self._tracker.ended(trial.id, trial.label)
        record = self._store.record(trial.id)
        if record is not None:
            self._source.ended(trial, record)
        if isinstance(event, Done):
            for warning in event.warnings:
                self._progress.warning(f"{trial.label}: {warning}")
            if verdict.status == "finished":
                self._progress.finished(trial, event.result)
        if verdict.status == "failed":
            self._progress.failed(trial, verdict.reason)
        elif verdict.status == "pruned":
            self._progress.pruned(trial, verdict.reason)
        elif verdict.status == "interrupted":
            self._progress.interrupted(trial)

    def _block(self, what: str, error: OSError) -> None:
        """Note what cannot be written; warn of it once, and raise Resumable when it has lasted too long."""
        line = f"{self._store.folder}: {what}: {error.strerror or error}"
        self._tried = time.monotonic()
        if not self._problem:
            self._since = self._tried
            if self._patience:
                self._progress.warning(f"{line}; waiting up to {self._patience:.0f} s until it can be written")
        self._problem = line
        if self._tried - self._since >= self._patience:
            raise Resumable(f"{line}; every record before it is kept, and the same command resumes")
