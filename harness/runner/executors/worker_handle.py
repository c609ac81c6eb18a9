"""The coordinator's handle on one worker process."""

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
from harness.runner.executors.messages import unpack

PATIENCE = 5.0  # seconds that a process gets to exit by itself
GRACE = 3.0  # seconds that a cancelled trial gets to reach its next step; a kill loses the loaded model, no data
VMSTAT = Path("/proc/vmstat")


class Worker:
    """One worker. Its process starts when it is needed, and again after it has died.

    ``trial`` is the running trial, ``loaded`` the `load_key` of the model and data in the process, and ``deadline`` (of
    time.monotonic) the time at which the process of a cancelled trial is killed.
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
        self._oom_kills = 0

    def start(self) -> None:
        """Start the process if it is not running."""
        if self._process is not None and not self._process.is_alive():
            self._stop(0.0)
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        self._pipe, workers_end = context.Pipe()
        process = context.Process(
            target=worker_main.main, args=(workers_end, *self._arguments), name=self._arguments[0], daemon=True)
        with _sigint_blocked():  # the child inherits the mask, so that an early Ctrl-C does not reach it
            process.start()
        self._process = process
        workers_end.close()  # else the death of the process would not close the pipe

    def submit(self, task: Task) -> None:
        """Send a trial to the process."""
        self.start()
        self.trial, self.loaded = task.id, load_key(task)
        self.deadline, self._cancelled, self._oom_kills = None, False, _count_oom_kills()
        self._send(task)

    def sources(self) -> "tuple[Connection[Any, Any] | int, ...]":
        """Return the handles for `multiprocessing.connection.wait`: of messages, and of the process's end."""
        return () if self._process is None else (self._pipe, self._process.sentinel)

    def receive(self) -> Event | None:
        """Return the next event of the running trial, Failed if the process has died, None if there is no event yet."""
        assert self._process is not None
        assert self.trial is not None
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.deadline = None
            self._process.kill()
        dead = not self._process.is_alive()  # checked first: a message sent before the death still counts
        event: Event
        try:
            if self._pipe.poll():
                event, exiting = unpack(self._pipe.recv_bytes(), self.trial)
                if exiting:
                    self._stop(0.0)
            elif dead:
                raise EOFError
            else:
                return None
        except (EOFError, OSError):
            event = self._failure()
        if not isinstance(event, Stepped):
            self.trial = None
        return event

    def cancel(self) -> None:
        """Ask the running trial to stop at its next step; `receive` kills its process if that takes too long."""
        if self.trial is not None and not self._cancelled:
            self._cancelled, self.deadline = True, time.monotonic() + GRACE
            self._send(self.trial)

    def dismiss(self) -> None:
        """Ask the process to exit, or kill it if it is busy; `close` waits for its end."""
        if self._process is not None:
            if self.trial is not None:
                self._process.kill()
            self._pipe.close()

    def close(self, deadline: float) -> None:
        """Wait for the process to exit until ``deadline`` (of time.monotonic), then kill it."""
        self._stop(max(0.0, deadline - time.monotonic()))
        self.trial = None

    def _send(self, order: Task | str) -> None:
        """Send a trial to run, or the id of a trial to stop."""
        with suppress(OSError):  # the process has died; `receive` will report it
            self._pipe.send_bytes(pickle.dumps(order))

    def _failure(self) -> Failed:
        """Return the failure of the running trial, whose process has died."""
        assert self.trial is not None
        code = self._stop(PATIENCE)
        if self._cancelled:
            return Failed(self.trial, "cancelled", "stopped")
        name = _signal_name(code)
        starved = name == "SIGKILL" and _count_oom_kills() > self._oom_kills
        how = f"was killed by {name}" if name else f"left with exit code {code}"
        hint = ": the system ran out of memory" if starved else " (perhaps out of memory)" if name == "SIGKILL" else ""
        log = f"; see {self._log}" if self._log is not None else ""
        return Failed(self.trial, "memory" if starved else "died", f"the worker {how}{hint}{log}")

    def _stop(self, seconds: float) -> int | None:
        """Wait up to ``seconds`` for the process to exit, then kill it; release it and return its exit code."""
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


def load_key(task: Task) -> str:
    """Return a text that is equal for tasks that need the same model and data in memory."""
    return repr((task.spec.model, task.spec.data, task.spec.precision))


def _signal_name(code: int | None) -> str:
    """Return the name of the signal that ended a process, "" if it exited by itself."""
    if code is None or code >= 0:
        return ""
    return next((number.name for number in signal.Signals if number == -code), f"signal {-code}")


def _count_oom_kills() -> int:
    """Return the number of processes that this system has killed for lack of memory, 0 if it is unknown."""
    try:
        lines = VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else the first process's start starts it, and that unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
