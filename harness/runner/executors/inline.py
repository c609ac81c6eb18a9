"""Trials in this process, one after the other: for debuggers, and where processes are not allowed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.runner.executors.base import RUN, Cancelled, Closing, Event, Failed, Stepped, Task, attempt, throttled

if TYPE_CHECKING:
    from harness.method.optimise import Step


class Inline(Closing):
    """Runs a trial inside `wait`; a cancelled trial stops at its next step."""

    workers = 1

    def __init__(self, run: str = RUN, *, threads: int | None = None) -> None:
        self._run = run
        self._threads = threads
        self._next: Task | None = None
        self._cancelled = ""

    def warm(self) -> None:
        """Do nothing: this process is all there is."""

    def submit(self, task: Task) -> None:
        """Take a trial; it runs in the next `wait`."""
        if self._next is not None:
            raise RuntimeError("a trial is under way already")
        self._next = task

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Run the trial that was taken; ``seconds`` cannot be kept, since the trial occupies this process."""
        if self._next is None:
            return
        task, trial = self._next, self._next.id
        report = throttled(lambda step: handle(Stepped(trial, step)))

        def on_step(step: "Step") -> None:
            report(step)
            if self._cancelled == trial:
                raise Cancelled

        if self._threads:
            import torch

            torch.set_num_threads(self._threads)
        event: Event = Failed(trial, "cancelled", "stopped")
        try:
            if self._cancelled != trial:
                event = attempt(self._run, task, on_step)
        finally:
            self._next, self._cancelled = None, ""
        handle(event)

    def cancel(self, trial: str) -> None:
        """Stop the trial at its next step."""
        self._cancelled = trial

    def close(self) -> None:
        """Forget a trial that has not begun."""
        self._next = None
