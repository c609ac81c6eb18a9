"""Cases that take turns, so that other load on the machine affects all of them alike.

Where memory is measured each case has a process of its own, which stays warm while the others have their turn. On a CPU
seconds are processor time of one thread, on a GPU wall-clock time until the GPU is done.
"""

import gc
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Run = Callable[[], object]
Build = Callable[..., Run]
SHORT = 0.02
PRELOADED = ["torch", "diffusers.models.unets.unet_2d_condition", "harness.method.trial"]


def device() -> str:
    """Return "cuda" if there is a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def turns(cases: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each case in each round; all run once before, to fill caches.

    A case of less than SHORT seconds is repeated in each round, for a clock cannot resolve it.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for run in cases.values():
            run()
        times = {name: max(1, min(1000, round(SHORT / _seconds(run)))) for name, run in cases.items()}
        return _by_name([{name: _seconds(run, times[name]) for name, run in cases.items()} for _ in range(rounds)])
    finally:
        torch.set_num_threads(threads)


def turns_of_processes(cases: Mapping[str, tuple[Build, Mapping[str, Any]]], rounds: int, *, one_at_a_time: bool = False
                       ) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of each case in each round, and its peak memory in MB beyond what it had loaded before.

    A case is a function and its arguments; it is called in the case's process and returns what is measured.
    With ``one_at_a_time`` a process ends after its turn and is warmed again in the next: for models of which memory
    does not hold one for each case.
    """
    if one_at_a_time:
        found = [{name: _alone(*case) for name, case in cases.items()} for _ in range(rounds)]
        return (_by_name([{name: seconds for name, (seconds, _) in turn.items()} for turn in found]),
                {name: round(max(turn[name][1] for turn in found), 1) for name in cases})
    workers = {name: _Worker(build, arguments) for name, (build, arguments) in cases.items()}
    try:
        for worker in workers.values():
            worker.ask()  # fills caches
        seconds = _by_name([{name: worker.ask() for name, worker in workers.items()} for _ in range(rounds)])
        return seconds, {name: round(worker.megabytes, 1) for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.end()


def _alone(build: Build, arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Return seconds and memory of a case's second run, in a process of its own."""
    worker = _Worker(build, arguments)
    try:
        worker.ask()  # fills caches
        return worker.ask(), worker.megabytes
    finally:
        worker.end()


def once(function: Callable[..., Any], **arguments: Any) -> Any:
    """Return what a function returns in a process of its own."""
    pipe, process = _start(_call, function, arguments)
    try:
        return _received(pipe)
    finally:
        process.join()


def paired(base: str, seconds: Mapping[str, Sequence[float]], megabytes: Mapping[str, float] | None = None
           ) -> dict[str, Any]:
    """Return each case's median seconds, and the median, lowest and highest of its ratio to the base, round by round.

    >>> paired("plain", {"plain": [1.0, 2.0, 2.0], "ours": [2.0, 4.0, 5.0]})["cases"]["ours"]
    {'seconds': 4.0, 'ratio': 2.0, 'low': 2.0, 'high': 2.5}
    """
    cases = {}
    for name, values in seconds.items():
        ratios = [value / other for value, other in zip(values, seconds[base], strict=True)]
        cases[name] = {"seconds": _short(statistics.median(values)), "ratio": _short(statistics.median(ratios)),
                       "low": _short(min(ratios)), "high": _short(max(ratios))}
        if megabytes is not None:
            cases[name]["megabytes"] = megabytes[name]
    return {"base": base, "rounds": len(seconds[base]), "cases": cases}


def gain(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """Return the median over rounds of how many times as long the slow case takes."""
    return round(statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)), 2)


class _Worker:
    """A process that runs one case whenever it is asked to."""

    def __init__(self, build: Build, arguments: Mapping[str, Any]) -> None:
        self.megabytes = 0.0
        self._pipe, self._process = _start(_serve, build, arguments)
        _received(self._pipe)

    def ask(self) -> float:
        self._pipe.send(True)
        seconds, megabytes = _received(self._pipe)
        self.megabytes = max(self.megabytes, megabytes)
        return float(seconds)

    def end(self) -> None:
        with suppress(BrokenPipeError):
            self._pipe.send(False)
        self._process.join()


def _start(target: Callable[..., None], *arguments: Any) -> tuple[Connection, Any]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)  # imports, which take seconds, happen once
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _received(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        raise RuntimeError("a case's process ended; its error is printed above") from None


def _serve(pipe: Connection, build: Build, arguments: Mapping[str, Any]) -> None:
    _prepare()
    run = build(**arguments)
    gc.collect()
    loaded = _memory(peak=False)
    pipe.send("loaded")
    while pipe.recv():
        _forget_peak()
        seconds = _seconds(run)
        pipe.send((seconds, _memory(peak=True) - loaded))


def _call(pipe: Connection, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    _prepare()
    pipe.send(function(**arguments))


def _prepare() -> None:
    """Take one thread, and keep the libraries' advice off the screen."""
    import diffusers
    import torch

    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity_error()


def _seconds(run: Run, times: int = 1) -> float:
    """Return the seconds of one call, the mean of several."""
    import torch

    on_gpu = device() == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    if on_gpu:
        torch.cuda.synchronize()
    began = clock()
    for _ in range(times):
        run()
    if on_gpu:
        torch.cuda.synchronize()
    return max(clock() - began, 1e-9) / times


def _memory(*, peak: bool) -> float:
    """Return this process's memory in MB, on a GPU the GPU's: now, or its peak."""
    import torch

    if device() == "cuda":
        return (torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()) / 2**20
    name = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _forget_peak() -> None:
    import torch

    if device() == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # then the peak is that of the process's whole life
        Path("/proc/self/clear_refs").write_text("5")


def _by_name(rounds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [found[name] for found in rounds] for name in rounds[0]}


def _short(value: float) -> float:
    """Return a value with four significant digits."""
    return float(f"{value:.4g}")
