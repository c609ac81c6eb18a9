"""The main function of a worker process: it runs trials, one after the other, and keeps models loaded."""

import contextlib
import faulthandler
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from harness.runner.executors.base import Stepped, Task, must_exit, run_task, step_callback
from harness.runner.executors.messages import pack


def main(pipe: "Connection[Any, Any]", name: str, run: str, threads: int | None, device: str | None,
         log: str | None) -> None:
    """Run trials from the pipe until it closes; a trial's id on the pipe asks to stop that trial."""
    _set_environment(threads, device)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what Ctrl-C means
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _redirect(log)
    faulthandler.enable()
    with contextlib.suppress(Exception):  # a failing import fails again in the first trial, which reports it
        resolve_name(run)
        if threads is not None and "torch" in sys.modules:  # a caller's own script may have imported it before
            sys.modules["torch"].set_num_threads(threads)
    exiting = False
    while not exiting:
        try:
            order: Task | str = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        if isinstance(order, str):  # asks to stop a trial that has already ended
            continue
        exiting = _run(order, run, pipe, name)


def _run(task: Task, run: str, pipe: "Connection[Any, Any]", name: str) -> bool:
    """Run a trial, send its events, and return True if this process must exit."""
    event = run_task(run, task, step_callback(
        lambda step: pipe.send_bytes(pack(Stepped(task.id, step, name))),
        lambda: pipe.poll() and pickle.loads(pipe.recv_bytes()) == task.id))
    exiting = must_exit(event)
    pipe.send_bytes(pack(event, exiting=exiting))
    return exiting


def _set_environment(threads: int | None, device: str | None) -> None:
    """Limit threads and GPUs by environment variables, which libraries read when they are imported."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _redirect(log: str | None) -> None:
    """Redirect the output of libraries to the log, or to stderr: stdout is for the coordinator's data."""
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else 2
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        if target != descriptor:
            os.dup2(target, descriptor)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # the last lines before a crash matter most
