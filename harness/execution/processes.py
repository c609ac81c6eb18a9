"""Trials in a worker process that is kept warm: a crash takes one trial, never the coordinator."""

import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from harness.execution import _worker
from harness.execution._base import RUN, Closing, Event, Failed, Stepped, Task

PATIENCE = 5.0  # seconds that an idle worker gets to leave by itself


class Processes(Closing):
    """One spawned worker; a new one is started when it has died. Its library output goes to ``log``, or to stderr."""

    workers = 1

    def __init__(self, run: str = RUN, *, threads: int | None = None, log: Path | None = None) -> None:
        self._options = run, threads, None if log is None else str(log)
        self._worker: _Worker | None = None
        self._trial: str | None = None
        self._cancelled = False

    def warm(self) -> None:
        """Start the worker, which imports what a trial needs while the caller goes on."""
        if self._worker is None:
            self._worker = _Worker(*self._options)

    def submit(self, task: Task) -> None:
        """Hand the trial to the worker."""
        if self._trial is not None:
            raise RuntimeError("a trial is under way already")
        self.warm()
        assert self._worker is not None
        self._trial, self._cancelled = task.id, False
        self._worker.send(task)

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass on events until the trial has ended or ``seconds`` have passed."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._trial is not None:
            event = self._receive(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if event is None:
                return
            if isinstance(event, Stepped):
                handle(event)
                continue
            self._trial = None
            handle(event)
            return

    def cancel(self, trial: str) -> None:
        """Kill the worker: it holds nothing that is not in the store, and a step may take minutes."""
        if trial == self._trial and self._worker is not None:
            self._cancelled = True
            self._worker.kill()

    def close(self) -> None:
        """Let an idle worker leave, kill a busy one."""
        if self._worker is not None:
            self._worker.close(0.0 if self._trial is not None else PATIENCE)
        self._worker = self._trial = None

    def _receive(self, seconds: float | None) -> Event | None:
        """Return the worker's next event, Failed when it has died, None when nothing came in time."""
        assert self._worker is not None
        assert self._trial is not None
        try:
            return self._worker.receive(seconds)
        except (EOFError, OSError):
            reason = self._worker.close(PATIENCE)
            self._worker = None
            if self._cancelled:
                return Failed(self._trial, "cancelled", "stopped")
            return Failed(self._trial, "died", reason)


class _Worker:
    """The coordinator's end of one worker process."""

    def __init__(self, run: str, threads: int | None, log: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe: Connection[Any, Any]
        self._pipe, other = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=_worker.main, args=(other, run, threads, log), name="harness-worker", daemon=True)
        with _without_interrupts():  # the child inherits the mask, so that an early Ctrl-C does not reach it
            self._process.start()
        other.close()  # else its death would not end the pipe

    def send(self, task: Task) -> None:
        """Hand over a task; a worker that is gone is noticed by `receive`."""
        try:
            self._pipe.send_bytes(pickle.dumps(task))
        except OSError:
            return

    def receive(self, seconds: float | None) -> Event | None:
        """Return the next event, None after ``seconds``; raise EOFError or OSError when the process is gone."""
        ready = wait([self._pipe, self._process.sentinel], seconds)
        if self._pipe in ready:  # before the sentinel: what it sent before it died counts
            event: Event = pickle.loads(self._pipe.recv_bytes())
            return event
        if ready:
            raise EOFError
        return None

    def kill(self) -> None:
        """Kill the process at once."""
        self._process.kill()

    def close(self, seconds: float) -> str:
        """Close the pipe, wait up to ``seconds`` for the process to leave, then kill it; return how it ended."""
        self._pipe.close()
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        return _how(self._process.exitcode)


def _how(code: int | None) -> str:
    """Return how a worker ended, in words."""
    if code is None or code >= 0:
        return f"the worker left with exit code {code}"
    name = next((s.name for s in signal.Signals if s == -code), f"signal {-code}")
    hint = " (perhaps out of memory)" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"


@contextmanager
def _without_interrupts() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
