"""Mirroring of the store in MLflow while trials run.

One thread imports mlflow, creates the database and pushes records, so that no trial waits for it. Its first failure is
reported once and ends it; `sync` pushes the rest later from the store.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from harness.errors import UsageError, shorten
from harness.store.mlflow_mirror import Mirror
from harness.store.mlflow_server import default_uri
from harness.store.store import Store
from harness.store.urls import hide_password

DAMAGED = ("file is not a database", "database disk image is malformed")  # SQLite's words
PENDING = "mlflow.pending"  # a file in an experiment's folder: some records may not have been pushed yet


class Tracker:
    """The coordinator's calls to its mirror; this base class mirrors nothing. No call blocks, except `close`."""

    def resume(self) -> None:
        """Open if an earlier run ended before it had pushed everything."""

    def open(self) -> None:
        """Begin to mirror; further calls do nothing."""

    def started(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> None:
        """A trial has started."""

    def ended(self, trial: str, label: str) -> None:
        """A trial has ended and its record is in the store."""

    def close(self, status: str) -> None:
        """The experiment has ended as FINISHED, FAILED or KILLED; wait until everything is pushed."""

    def warnings(self) -> list[str]:
        """Return the failures since the last call."""
        return []


class MlflowTracker(Tracker):
    """Mirrors in MLflow, from its own thread."""

    def __init__(self, store: Store, uri: str | None = None) -> None:
        self._store = store
        self._uri = uri or default_uri(store.results)
        self._tasks: queue.SimpleQueue[Callable[[Mirror], object] | None] = queue.SimpleQueue()
        self._warnings: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending = store.folder / PENDING
        self._catch_up = self._failed = False
        self._starting: dict[str, tuple[str, str, Mapping[str, Any]]] = {}  # by trial; their runs are not opened yet

    def resume(self) -> None:
        """Open if an earlier run left the PENDING file; its records are pushed first."""
        self._catch_up = self._pending.exists()
        if self._catch_up:
            self.open()

    def open(self) -> None:
        """Start the thread, which imports mlflow, creates the database and ends the runs of a dead coordinator."""
        if self._thread is None:
            with suppress(OSError):
                self._pending.touch()
            self._thread = threading.Thread(target=self._serve, name="harness-mlflow", daemon=True)
            self._thread.start()

    def started(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> None:
        """Open the trial's run."""
        self._starting[trial] = started, label, spec
        self._put(lambda mirror: self._start(mirror, trial))

    def ended(self, trial: str, label: str) -> None:
        """Push the trial's record."""
        def push(mirror: Mirror) -> None:
            record = self._store.record(trial)
            if record is not None:
                mirror.push(record, label)

        self._starting.pop(trial, None)
        self._put(push)

    def close(self, status: str) -> None:
        """End the parent run and wait; a server that does not answer costs a few seconds at most."""
        if self._thread is None:
            return
        self._tasks.put(lambda mirror: mirror.end(status))
        self._tasks.put(None)
        self._thread.join()
        self._thread = None
        if not self._failed:
            with suppress(OSError):
                self._pending.unlink()

    @property
    def backlog(self) -> int:
        """The number of tasks that wait for MLflow; each takes about 0.5 KB of memory."""
        return self._tasks.qsize()

    def warnings(self) -> list[str]:
        """Return the failures since the last call."""
        texts = []
        while not self._warnings.empty():
            texts.append(self._warnings.get())
        return texts

    def _start(self, mirror: Mirror, trial: str) -> None:
        arguments = self._starting.pop(trial, None)
        if arguments is not None:  # else the trial has ended, and the push of its record opens the run
            mirror.start(trial, *arguments)

    def _put(self, task: Callable[[Mirror], object]) -> None:
        if not self._failed:  # else no thread takes it, and the queue would grow with every trial
            self._tasks.put(task)

    def _serve(self) -> None:
        try:
            mirror = Mirror(self._store, self._uri)
            mirror.end_dead_runs()
            mirror.resume()
            mirror.describe()
            if self._catch_up:
                mirror.catch_up()
            while (task := self._tasks.get()) is not None:
                task(mirror)
        except Exception as error:  # of any library; the mirror never stops the trials
            self._failed = True
            self._warnings.put(f"{_problem(self._uri, error)}; results are safe in {self._store.folder}, "
                               f"`harness sync` pushes them later")


def push_files(store: Store, uri: str | None = None) -> str:
    """Push the experiment's own files, such as figures; return a message about a failure, "" if all went well.

    After a run whose mirror failed, and said so, nothing is tried: `sync` pushes these files too.
    """
    uri = uri or default_uri(store.results)
    if (store.folder / PENDING).exists():
        return ""
    try:
        mirror = Mirror(store, uri)
        mirror.push_files()
        if mirror.has_new_parent:
            mirror.end(overall_status(record["status"] for record in store.records()))
    except Exception as error:  # of any library
        return f"{_problem(uri, error)}; `harness sync` pushes the figures later"
    return ""


def sync(store: Store, uri: str | None = None) -> int:
    """Push every record that MLflow lacks and return their number; raise UsageError if MLflow cannot be reached."""
    uri = uri or default_uri(store.results)
    if not store.trials.is_dir():
        return 0
    with store.lock():
        try:
            mirror = Mirror(store, uri)
            mirror.end_dead_runs()
            mirror.describe()
            pushed = mirror.catch_up()
            mirror.push_files()
            if pushed or mirror.has_new_parent:
                mirror.end(overall_status(record["status"] for record in store.records()))
            (store.folder / PENDING).unlink(missing_ok=True)
        except Exception as error:  # of any library
            raise UsageError(_problem(uri, error)) from error
    return pushed


def overall_status(statuses: Iterable[str]) -> str:
    """Return MLflow's status for an experiment, from the statuses of its trials."""
    present = set(statuses)
    return "KILLED" if "interrupted" in present else "FAILED" if "failed" in present else "FINISHED"


def _problem(uri: str, error: Exception) -> str:
    address = hide_password(uri)
    text = str(error).partition("(Background on this error")[0].replace(uri.rstrip("/"), address.rstrip("/"))
    if uri.startswith("sqlite:") and any(words in text for words in DAMAGED):
        return f"MLflow at {address}: the database is damaged; move it away, and a new one is made from the store"
    return f"MLflow at {address}: {type(error).__name__}: {shorten(text, 200)}"
