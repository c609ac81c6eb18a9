"""Runs trials in this process, one after the other: for debuggers, and where processes are not allowed."""

from collections.abc import Callable

from harness.runner.executors.base import RUN, Event, Executor, Failed, Stepped, Task, run_task, step_callback


class Inline(Executor):
    """Runs a trial inside `wait`; a cancelled trial stops at its next step."""

    workers = 1

    def __init__(self, run: str = RUN, *, threads: int | None = None) -> None:
        self._run = run
        self._threads = threads
        self._next: Task | None = None
        self._cancelled = ""

    def submit(self, task: Task) -> None:
        """Store a trial; it runs in the next `wait`."""
        if self._next is not None:
            raise RuntimeError("a trial is under way already")
        self._next = task

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Run the stored trial to its end; ``seconds`` has no effect."""
        if self._next is None:
            return
        task, trial = self._next, self._next.id
        on_step = step_callback(lambda step: handle(Stepped(trial, step)), lambda: self._cancelled == trial)
        if self._threads:
            import torch

            torch.set_num_threads(self._threads)
        event: Event = Failed(trial, "cancelled", "stopped")
        try:
            if self._cancelled != trial:
                event = run_task(self._run, task, on_step)
        finally:
            self._next, self._cancelled = None, ""
        handle(event)

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step."""
        self._cancelled = trial

    def close(self) -> None:
        """Drop a trial that has not started."""
        self._next = None
