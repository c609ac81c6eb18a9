"""Runs trials in worker processes that keep their models loaded, one per GPU; a crash costs one trial."""

import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from harness.errors import UsageError
from harness.runner.executors.base import RUN, Event, Executor, Stepped, Task
from harness.runner.executors.devices import gpus, threads_per_worker
from harness.runner.executors.worker_handle import PATIENCE, Worker, load_key


class Processes(Executor):
    """Spawned worker processes; a dead one is replaced. ``workers=None`` means one per GPU, or one without GPUs.

    ``devices`` are names of GPUs as in CUDA_VISIBLE_DEVICES, by default all that this process may use. Each worker sees
    one; more workers than GPUs share them; with an empty list no worker sees any. ``threads`` is per worker, by default
    its share of the cores. The output of libraries goes to ``<log>/worker-<i>.log``, or to stderr.
    """

    workers = 1

    def __init__(self, run: str = RUN, *, workers: int | None = 1, threads: int | None = None, log: Path | None = None,
                 devices: Sequence[str] | None = None) -> None:
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None and number < 1:
                raise UsageError(f"{name}: {number} is out of range; expected 1 or more")
        names = gpus() if devices is None else tuple(devices)
        no_gpu = None if devices is None else ""  # None: the worker inherits CUDA_VISIBLE_DEVICES
        self.workers = max(1, len(names)) if workers is None else workers
        threads = threads or threads_per_worker(self.workers)
        self._workers = [Worker(f"worker-{i}", run, threads, names[i % len(names)] if names else no_gpu, log)
                         for i in range(self.workers)]

    def warm(self) -> None:
        """Start the workers; they import what a trial needs while the caller goes on."""
        for worker in self._workers:
            worker.start()

    def submit(self, task: Task) -> None:
        """Send the trial to an idle worker, preferably one that has loaded its model and data, else one without any."""
        idle = [worker for worker in self._workers if worker.trial is None]
        if not idle:
            raise RuntimeError(f"as many trials as there are workers ({self.workers}) are under way already")
        key = load_key(task)
        min(idle, key=lambda worker: (worker.loaded != key, worker.loaded != "")).submit(task)

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass events on until at least one trial has ended or ``seconds`` have passed."""
        deadline = None if seconds is None else time.monotonic() + seconds
        ended = False
        while not ended and (busy := self._busy()):
            now = time.monotonic()
            if deadline is not None and deadline < now:
                return
            moments = [moment for moment in (deadline, *(worker.deadline for worker in busy)) if moment is not None]
            wait([source for worker in busy for source in worker.sources()],
                 max(0.0, min(moments) - now) if moments else None)
            for worker in busy:  # all of them: the end of a process with live children gives no signal
                event = worker.receive()
                if event is not None:
                    ended = ended or not isinstance(event, Stepped)
                    handle(event)

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step, or kill its worker after a while; other trials go on."""
        for worker in self._workers:
            if worker.trial == trial:
                worker.cancel()

    def close(self) -> None:
        """Let idle workers exit, kill busy ones."""
        for worker in self._workers:
            worker.dismiss()
        deadline = time.monotonic() + PATIENCE
        for worker in self._workers:
            worker.close(deadline)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.trial is not None]
