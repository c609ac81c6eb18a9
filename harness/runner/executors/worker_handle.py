"""The coordinator's end of one worker process."""

import multiprocessing
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from harness.runner.executors import worker_main
from harness.runner.executors.base import Event, Failed, Stepped, Task

PATIENCE = 5.0  # seconds that a process gets to leave by itself
GRACE = 3.0  # seconds that a cancelled trial gets to come to its next step, where it stops and its process stays warm
KILLS = Path("/proc/vmstat")


class Worker:
    """One worker: its process is started when it is needed, and a new one when that has died.

    ``trial`` is the trial under way, ``loaded`` names the model and the data that the process has loaded, and
    ``deadline`` (of time.monotonic) is when a trial that was cancelled is killed.
    """

    def __init__(self, name: str, run: str, threads: int | None, device: str | None, log: Path | None) -> None:
        self.trial: str | None = None
        self.loaded = ""
        self.deadline: float | None = None
        self._log = None if log is None else log / f"{name}.log"
        self._arguments = name, run, threads, device, None if self._log is None else str(self._log)
        self._process: SpawnProcess | None = None
        self._pipe: Connection[Any, Any]
        self._cancelled = False
        self._kills = 0

    def start(self) -> None:
        """Start the process unless it runs."""
        if self._process is not None and not self._process.is_alive():
            self._end(0.0)
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        process = context.Process(
            target=worker_main.main, args=(other, *self._arguments), name=self._arguments[0], daemon=True)
        with _without_interrupts():  # the child inherits the mask, so that an early Ctrl-C does not reach it
            process.start()
        self._process = process
        other.close()  # else its death would not end the pipe

    def submit(self, task: Task) -> None:
        """Hand over a trial."""
        self.start()
        self.trial, self.loaded = task.id, load(task)
        self.deadline, self._cancelled, self._kills = None, False, _kills()
        self._order(task)

    def sources(self) -> "tuple[Connection[Any, Any] | int, ...]":
        """Return what `multiprocessing.connection.wait` can wait for: news, and the process's end."""
        return () if self._process is None else (self._pipe, self._process.sentinel)

    def receive(self) -> Event | None:
        """Return the next event of the trial under way, Failed where the process is gone, None when there is none."""
        assert self._process is not None
        assert self.trial is not None
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.deadline = None
            self._process.kill()
        gone = not self._process.is_alive()  # asked first: what the process sent before it died counts
        event: Event
        try:
            if self._pipe.poll():
                event, leaving = self._read(self._pipe.recv_bytes())
                if leaving:
                    self._end(0.0)
            elif gone:
                raise EOFError
            else:
                return None
        except (EOFError, OSError):
            event = self._fallen()
        if not isinstance(event, Stepped):
            self.trial = None
        return event

    def cancel(self) -> None:
        """Ask the trial under way to stop at its next step; `receive` kills its process where that takes too long.

        A process holds nothing that is not in the store, and a step may take minutes.
        """
        if self.trial is not None and not self._cancelled:
            self._cancelled, self.deadline = True, time.monotonic() + GRACE
            self._order(self.trial)

    def dismiss(self) -> None:
        """Ask the process to leave, or kill it where it is busy; `close` waits for that."""
        if self._process is not None:
            if self.trial is not None:
                self._process.kill()
            self._pipe.close()

    def close(self, deadline: float) -> None:
        """Wait for the process to leave until ``deadline`` (of time.monotonic), then kill it."""
        self._end(max(0.0, deadline - time.monotonic()))
        self.trial = None

    def _order(self, order: Task | str) -> None:
        """Send a trial to run, or the id of one to stop."""
        with suppress(OSError):  # the process has died, which `receive` tells
            self._pipe.send_bytes(pickle.dumps(order))

    def _read(self, content: bytes) -> tuple[Event, bool]:
        """Return an event, and whether the process leaves after it; a result that cannot be read fails its trial."""
        assert self.trial is not None
        try:
            told: tuple[Event, bool] = pickle.loads(content)
        except Exception as error:  # a plug-in's class may raise anything when it is read
            return Failed(self.trial, "error", f"its result cannot be read: {type(error).__name__}: {error}"), False
        return told

    def _fallen(self) -> Failed:
        """Return how the trial under way ended with its process."""
        assert self.trial is not None
        code = self._end(PATIENCE)
        if self._cancelled:
            return Failed(self.trial, "cancelled", "stopped")
        name = _signal(code)
        starved = name == "SIGKILL" and _kills() > self._kills
        how = f"was killed by {name}" if name else f"left with exit code {code}"
        hint = ": the system ran out of memory" if starved else " (perhaps out of memory)" if name == "SIGKILL" else ""
        log = f"; see {self._log}" if self._log is not None else ""
        return Failed(self.trial, "memory" if starved else "died", f"the worker {how}{hint}{log}")

    def _end(self, seconds: float) -> int | None:
        """Wait up to ``seconds`` for the process to leave, then kill it; forget it and return its exit code."""
        if self._process is None:
            return None
        self._pipe.close()
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        self._process, self.loaded = None, ""
        return code


def load(task: Task) -> str:
    """Return what a process has to load for a task; tasks of which it is the same share it."""
    return repr((task.spec.model, task.spec.data, task.spec.precision))


def _signal(code: int | None) -> str:
    """Return the name of the signal that ended a process, nothing where it left by itself."""
    if code is None or code >= 0:
        return ""
    return next((known.name for known in signal.Signals if known == -code), f"signal {-code}")


def _kills() -> int:
    """Return how many processes this system has killed for want of memory, 0 where it does not tell."""
    try:
        lines = KILLS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # started by the first process's start, it would let SIGINT through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
