"""What runs in a worker process: trials, one after the other, with models kept warm in between."""

import contextlib
import faulthandler
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.runner.executors.base import Cancelled, Event, Failed, Stepped, Task, attempt, resolve, spent, throttled

if TYPE_CHECKING:
    from harness.method.optimise import Step


def main(pipe: "Connection[Any, Any]", name: str, run: str, threads: int | None, device: str | None,
         log: str | None) -> None:
    """Serve trials from the pipe until it closes; a trial's id there means: stop it.

    Each event is sent with a flag: the process leaves after this one.
    """
    _settle(threads, device)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what Ctrl-C means
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _redirect(log)
    faulthandler.enable()
    with contextlib.suppress(Exception):  # what goes wrong here goes wrong again in the first trial, which tells it
        _import(run, threads)
    leaving = False
    while not leaving:
        try:
            order: Task | str = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        if isinstance(order, str):  # to stop a trial that has ended meanwhile
            continue
        event = attempt(run, order, _reporting(pipe, order.id, name))
        leaving = spent(event)
        _send(pipe, event, leaving=leaving)


def _reporting(pipe: "Connection[Any, Any]", trial: str, name: str) -> Callable[["Step"], None]:
    """Return what the trial calls at each step: it passes steps on, and stops the trial when that is asked for."""
    report = throttled(lambda step: _send(pipe, Stepped(trial, step, name)))

    def on_step(step: "Step") -> None:
        report(step)
        if pipe.poll() and pickle.loads(pipe.recv_bytes()) == trial:
            raise Cancelled

    return on_step


def _settle(threads: int | None, device: str | None) -> None:
    """Say in the environment what this process may use: libraries read it when they are imported."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)


def _import(run: str, threads: int | None) -> None:
    """Import what trials need while the coordinator still plans."""
    resolve(run)
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:  # where a caller's own script has imported it before `_settle`
        torch.set_num_threads(threads)


def _send(pipe: "Connection[Any, Any]", event: Event, *, leaving: bool = False) -> None:
    """Send an event by value: plain pickle, since multiprocessing's shares tensors through files that die with us."""
    try:
        content = pickle.dumps((event, leaving))
    except Exception as error:  # a plug-in's class may raise anything when it is written
        failed = Failed(event.id, "error", f"its result cannot be sent: {type(error).__name__}: {error}")
        content = pickle.dumps((failed, leaving))
    pipe.send_bytes(content)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _redirect(log: str | None) -> None:
    """Send what libraries print to the log, or to stderr: stdout belongs to the coordinator's data."""
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else 2
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        if target != descriptor:
            os.dup2(target, descriptor)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # the last lines before a crash matter most
