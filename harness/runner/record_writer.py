"""Writes the records of ended trials and notifies whoever follows them; retries for a minute if the disk refuses."""

import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import Resumable
from harness.runner import environment
from harness.runner.attempts import Attempt, Verdict
from harness.runner.callbacks import Progress
from harness.runner.executors.base import Done, Failed
from harness.search.trial_source import TrialSource
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store

PATIENCE = 60.0  # seconds until a store that cannot be written ends the run
RETRY_SECONDS = 1.0  # between two tries


class RecordWriter:
    """The only writer of records. While the disk refuses, it holds what is to be written and is `blocked`."""

    def __init__(self, store: Store, source: TrialSource, tracker: Tracker, progress: Progress,
                 count: Callable[[Verdict], None]) -> None:
        self._store, self._source, self._tracker, self._progress = store, source, tracker, progress
        self._count = count
        self._waiting: deque[tuple[Attempt, Done | Failed, Verdict]] = deque()
        self._patience = PATIENCE
        self._since = self._tried = 0.0
        self._problem = ""

    @property
    def blocked(self) -> bool:
        """True if something could not be written, and the next try is not due yet."""
        return bool(self._waiting) or (bool(self._problem) and time.monotonic() - self._tried < RETRY_SECONDS)

    def mark_started(self, attempt: Attempt) -> bool:
        """Write the start marker of an attempt; return False, and be blocked, if the disk refuses."""
        trial = attempt.trial
        try:
            if attempt.number:
                self._store.mark_retried(trial.id, attempt.earlier)
            else:
                attempt.started = self._store.mark_started(trial.id, trial.spec, trial.fingerprints, attempt.earlier)
        except OSError as error:
            self._block(f"cannot note that trial {trial.id} starts", error)
            return False
        self._problem = ""
        if not attempt.number:
            self._tracker.started(trial.id, attempt.started, trial.label, trial.spec.to_dict())
        return True

    def write(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        """Write the trial's record and notify, now or once the disk accepts it."""
        self._waiting.append((attempt, event, verdict))
        self._flush()

    def retry(self) -> None:
        """Write what waits, if a try is due; raise Resumable when patience has run out."""
        if self._waiting and time.monotonic() - self._tried >= RETRY_SECONDS:
            self._flush()

    def close(self) -> None:
        """Try a last time; raise Resumable if something stays unwritten."""
        self._patience = 0.0
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            attempt, event, verdict = self._waiting[0]
            try:
                verdict = self._save(attempt, event, verdict)
            except OSError as error:
                self._block(f"cannot keep trial {attempt.trial.id}", error)
                return
            self._problem = ""
            self._waiting.popleft()
            self._notify(attempt, event, verdict)

    def _save(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> Verdict:
        """Write the record and return its verdict, which is a failure if the result cannot be written."""
        trial, surroundings = attempt.trial, {**environment.software(), **event.environment, **environment.source()}
        if isinstance(event, Failed):
            trace = event.traceback
        else:
            problem, trace = self._save_result(attempt, event, verdict, surroundings)
            if not problem:
                return verdict
            verdict = Verdict("failed", problem, "error")
        self._store.fail(trial.id, trial.spec, verdict.reason, surroundings, status=verdict.status,
                         fingerprints=trial.fingerprints, traceback=trace)
        return verdict

    def _save_result(self, attempt: Attempt, event: Done, verdict: Verdict,
                     surroundings: Mapping[str, Any]) -> tuple[str, str]:
        """Write a result; return the problem and its traceback if no file can hold it, else "" and ""."""
        trial, result = attempt.trial, replace(event.result, status=verdict.status, reason=verdict.reason)
        try:
            self._store.save(trial.id, trial.spec, result, event.panels, surroundings)
        except OSError:
            raise
        except Exception as error:  # a plug-in's scores may be of any type
            return f"its result cannot be kept: {type(error).__name__}: {error}", traceback.format_exc()
        return "", ""

    def _notify(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        """Notify the coordinator's count, the tracker, the source of trials, and the screen."""
        trial = attempt.trial
        self._count(verdict)
        self._tracker.ended(trial.id, trial.label)
        record = self._store.record(trial.id)
        if record is not None:
            self._source.report_end(trial, record)
        self._show(attempt, event, verdict)

    def _show(self, attempt: Attempt, event: Done | Failed, verdict: Verdict) -> None:
        trial = attempt.trial
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

    def _block(self, problem: str, error: OSError) -> None:
        """Remember what cannot be written; warn once, and raise Resumable when patience has run out."""
        line = f"{self._store.folder}: {problem}: {error.strerror or error}"
        self._tried = time.monotonic()
        if not self._problem:
            self._since = self._tried
            if self._patience:
                self._progress.warning(f"{line}; waiting up to {self._patience:.0f} s until it can be written")
        self._problem = line
        if self._tried - self._since >= self._patience:
            raise Resumable(f"{line}; every record before it is kept, and the same command resumes")
