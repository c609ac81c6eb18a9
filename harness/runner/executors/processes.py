"""Trials in worker processes that are kept warm, one for each GPU: a crash takes one trial, never the coordinator."""

import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from harness.errors import UsageError
from harness.runner.executors.base import RUN, Closing, Event, Stepped, Task
from harness.runner.executors.devices import gpus, share
from harness.runner.executors.worker_handle import PATIENCE, Worker, load


class Processes(Closing):
    """Spawned workers; one that has died is replaced. ``workers=None`` means one for each GPU, or one without GPUs.

    ``devices`` name GPUs as CUDA_VISIBLE_DEVICES does (by default all that this process may use), each worker sees one,
    and workers beyond their number share them; with an empty list none sees any. ``threads`` are each worker's, by
    default its share of the cores. What libraries print goes to ``<log>/worker-<i>.log``, or to stderr.
    """

    def __init__(self, run: str = RUN, *, workers: int | None = 1, threads: int | None = None, log: Path | None = None,
                 devices: Sequence[str] | None = None) -> None:
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None and number < 1:
                raise UsageError(f"{name}: {number} is out of range; expected 1 or more")
        found = gpus() if devices is None else tuple(devices)
        hidden = None if devices is None else ""  # where nothing was asked for and found, a worker sees for itself
        self.workers = max(1, len(found)) if workers is None else workers
        threads = threads or share(self.workers)
        self._workers = [
            Worker(f"worker-{i}", run, threads, found[i % len(found)] if found else hidden, log)
            for i in range(self.workers)
        ]

    def warm(self) -> None:
        """Start the workers, which import what a trial needs while the caller goes on."""
        for worker in self._workers:
            worker.start()

    def submit(self, task: Task) -> None:
        """Hand the trial to an idle worker: one that has its model and data, else one that has none, else any."""
        idle = [worker for worker in self._workers if worker.trial is None]
        if not idle:
            raise RuntimeError(f"as many trials as there are workers ({self.workers}) are under way already")
        wanted = load(task)
        min(idle, key=lambda worker: (worker.loaded != wanted, worker.loaded != "")).submit(task)

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass on events until at least one trial has ended or ``seconds`` have passed."""
        deadline = None if seconds is None else time.monotonic() + seconds
        ended = False
        while not ended and (busy := self._busy()):
            now = time.monotonic()
            if deadline is not None and deadline < now:
                return
            moments = [moment for moment in (deadline, *(worker.deadline for worker in busy)) if moment is not None]
            wait([source for worker in busy for source in worker.sources()],
                 max(0.0, min(moments) - now) if moments else None)
            for worker in busy:  # all of them: a process that left children behind ends without a sign
                event = worker.receive()
                if event is not None:
                    ended = ended or not isinstance(event, Stepped)
                    handle(event)

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step, else kill its worker; the others go on."""
        for worker in self._workers:
            if worker.trial == trial:
                worker.cancel()

    def close(self) -> None:
        """Let idle workers leave, kill busy ones."""
        for worker in self._workers:
            worker.dismiss()
        deadline = time.monotonic() + PATIENCE
        for worker in self._workers:
            worker.close(deadline)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.trial is not None]
