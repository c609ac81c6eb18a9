"""Mirror the store in MLflow while trials run, beside them, and never in their way.

One thread does all of it: importing mlflow, creating the database and pushing take seconds that no trial should wait
for. The store is the truth; what cannot be pushed is told once and left to `sync`.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from harness.errors import UsageError
from harness.store.mlflow_mirror import Mirror
from harness.store.mlflow_server import default_uri
from harness.store.store import Store
from harness.store.urls import shown

DAMAGED = ("file is not a database", "database disk image is malformed")  # SQLite's words
PENDING = "mlflow.pending"  # in an experiment's folder: there may be records that MLflow was not told of


class Tracker(Protocol):
    """What the coordinator tells its mirror. No call blocks, but for `close`."""

    def resume(self) -> None:
        """Begin if an earlier run ended before all of it was told."""

    def open(self) -> None:
        """Begin; calling it again does nothing."""

    def started(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> None:
        """A trial has started."""

    def ended(self, trial: str, label: str) -> None:
        """A trial has ended and its record is in the store."""

    def close(self, status: str) -> None:
        """The experiment has ended as FINISHED, FAILED or KILLED; wait until all of it is told."""

    def warnings(self) -> list[str]:
        """Return what went wrong since the last call."""


class Untracked:
    """Mirrors nothing."""

    def resume(self) -> None:
        """Do nothing."""

    def open(self) -> None:
        """Do nothing."""

    def started(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> None:
        """Do nothing."""

    def ended(self, trial: str, label: str) -> None:
        """Do nothing."""

    def close(self, status: str) -> None:
        """Do nothing."""

    def warnings(self) -> list[str]:
        """Return nothing."""
        return []


class MlflowTracker:
    """Mirrors in MLflow, from a thread of its own; its first failure is told and ends it; `sync` does the rest."""

    def __init__(self, store: Store, uri: str | None = None) -> None:
        self._store = store
        self._uri = uri or default_uri(store.results)
        self._orders: queue.SimpleQueue[Callable[[Mirror], object] | None] = queue.SimpleQueue()
        self._warnings: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending = store.folder / PENDING
        self._behind = self._failed = False
        self._starting: dict[str, tuple[str, str, Mapping[str, Any]]] = {}  # whose run is not opened yet

    def resume(self) -> None:
        """Open if a mark of an earlier run is there; its records are pushed first."""
        self._behind = self._pending.exists()
        if self._behind:
            self.open()

    def open(self) -> None:
        """Start the thread, which imports mlflow, creates the database and closes what a dead coordinator left open."""
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
        """Close the parent run and wait; a server that does not answer costs a few seconds at most."""
        if self._thread is None:
            return
        self._orders.put(lambda mirror: mirror.end(status))
        self._orders.put(None)
        self._thread.join()
        self._thread = None
        if not self._failed:
            with suppress(OSError):
                self._pending.unlink()

    @property
    def behind(self) -> int:
        """How much MLflow has not taken up yet; about 0.5 KB of memory each."""
        return self._orders.qsize()

    def warnings(self) -> list[str]:
        """Return what went wrong since the last call."""
        found = []
        while not self._warnings.empty():
            found.append(self._warnings.get())
        return found

    def _start(self, mirror: Mirror, trial: str) -> None:
        begun = self._starting.pop(trial, None)
        if begun is not None:  # else it has ended by now, and its push does all of it
            mirror.start(trial, *begun)

    def _put(self, order: Callable[[Mirror], object]) -> None:
        if not self._failed:  # else nobody would take it up, and the queue would grow with every trial
            self._orders.put(order)

    def _serve(self) -> None:
        try:
            mirror = Mirror(self._store, self._uri)
            mirror.reconcile()
            mirror.resume()
            if self._behind:
                mirror.catch_up()
            while (order := self._orders.get()) is not None:
                order(mirror)
        except Exception as error:  # of any library between here and a server; a mirror never stops the run
            self._failed = True
            self._warnings.put(f"{_problem(self._uri, error)}; results are safe in {self._store.folder}, "
                               f"`harness sync` pushes them later")


def attach(store: Store, uri: str | None = None) -> str:
    """Push the experiment's own files, such as its figures; return what went wrong, nothing when all went well."""
    uri = uri or default_uri(store.results)
    try:
        Mirror(store, uri).attach()
    except Exception as error:  # the same
        return f"{_problem(uri, error)}; `harness sync` pushes the figures later"
    return ""


def sync(store: Store, uri: str | None = None) -> int:
    """Push every record that MLflow does not hold yet, return how many; raise UsageError when it cannot be reached."""
    uri = uri or default_uri(store.results)
    if not store.trials.is_dir():
        return 0
    with store.lock():
        try:
            mirror = Mirror(store, uri)
            mirror.reconcile()
            pushed = mirror.catch_up()
            mirror.attach()
            if pushed:
                mirror.end(overall(record["status"] for record in store.records()))
            (store.folder / PENDING).unlink(missing_ok=True)
        except Exception as error:  # the same
            raise UsageError(_problem(uri, error)) from error
    return pushed


def overall(statuses: Iterable[str]) -> str:
    """Return MLflow's word for an experiment whose trials ended so."""
    met = set(statuses)
    return "KILLED" if "interrupted" in met else "FAILED" if "failed" in met else "FINISHED"


def _problem(uri: str, error: Exception) -> str:
    text = " ".join(str(error).split()).replace(uri.rstrip("/"), shown(uri).rstrip("/"))
    if uri.startswith("sqlite:") and any(sign in text for sign in DAMAGED):
        return f"MLflow at {shown(uri)}: the database is damaged; move it away, and a new one is made from the store"
    return f"MLflow at {shown(uri)}: {type(error).__name__}: {text[:150]}"
