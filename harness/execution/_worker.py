"""What runs in a worker process: trials, one after the other, with models kept warm in between."""

import contextlib
import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from harness.execution._base import Event, Failed, Stepped, Task, attempt, resolve, throttled


def main(pipe: "Connection[Any, Any]", run: str, threads: int | None, log: str | None) -> None:
    """Serve trials from the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what Ctrl-C means
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _redirect(log)
    faulthandler.enable()
    if threads:
        import torch

        torch.set_num_threads(threads)
    with contextlib.suppress(Exception):
        resolve(run)  # import while the coordinator still plans; what goes wrong here is told by the first trial
    while True:
        try:
            task: Task = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        on_step = throttled(lambda step, trial=task.id: _send(pipe, Stepped(trial, step)))  # type: ignore[misc]
        _send(pipe, attempt(run, task, on_step))


def _send(pipe: "Connection[Any, Any]", event: Event) -> None:
    """Send an event by value: plain pickle, since multiprocessing's shares tensors through files that die with us."""
    try:
        content = pickle.dumps(event)
    except Exception as error:
        content = pickle.dumps(Failed(event.id, "error", f"its result cannot be sent: {type(error).__name__}: {error}"))
    pipe.send_bytes(content)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _redirect(log: str | None) -> None:
    """Send what libraries print to the log, or to stderr: stdout belongs to the coordinator's data."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else 2
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        if target != descriptor:
            os.dup2(target, descriptor)
