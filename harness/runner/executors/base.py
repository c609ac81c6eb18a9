"""The interface of executors, the events they report, and the run of one trial in the current process."""

import errno
import gc
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pkgutil import resolve_name
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from harness.config.spec import RunOptions, TrialSpec
from harness.errors import UsageError, shorten
from harness.runner import environment

if TYPE_CHECKING:
    from harness.method.optimise import Step
    from harness.method.results import TrialResult

RUN = "harness.method.trial:run"
STEPS_PER_SECOND = 10.0  # at most so many of each trial are reported
Cause = Literal["usage", "error", "memory", "died", "cancelled"]
# Texts in the RuntimeErrors of allocators: PyTorch's on the CPU and for files, the GPU's, cuBLAS's and cuDNN's.
ALLOCATORS = ("DefaultCPUAllocator", "Cannot allocate memory", "out of memory", "STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class Task:
    """A trial to run: its id, its setting, the title of its picture, and its options."""

    id: str
    spec: TrialSpec
    title: str = ""
    options: RunOptions = RunOptions()


@dataclass(frozen=True)
class Stepped:
    """A trial has made a step on a worker; not every step is reported."""

    id: str
    step: "Step"
    worker: str = ""


@dataclass(frozen=True)
class Done:
    """A trial has returned: its result (its status may be failed), PNG pictures by name, and its machine."""

    id: str
    result: "TrialResult"
    panels: Mapping[str, bytes]
    environment: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A trial has no result: bad settings, an exception, out of memory, a dead worker, or cancelled on request."""

    id: str
    cause: Cause
    reason: str
    traceback: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)


Event = Stepped | Done | Failed


class Cancelled(BaseException):
    """Stops a trial from its step callback; not an Exception, so that a trial's own handlers do not catch it."""


class Executor(ABC):
    """A place where trials run, and a context manager that closes it. Only the coordinator's thread calls it.

    A trial starts with `submit`. `wait` passes its events to a callback: any number of `Stepped`, then one `Done` or
    `Failed`. An executor never raises an exception because of a trial.

    Raises:
        UsageError: when it is created, if its options do not fit the machine or the cluster.
        RuntimeError: `submit`, if all workers are busy.

    Example:
        >>> from harness.config.load import load
        >>> class DryRun(Executor):
        ...     workers = 1
        ...     def submit(self, task): self.task = task
        ...     def cancel(self, trial): pass
        ...     def wait(self, handle, seconds=None):
        ...         handle(Failed(self.task.id, "usage", "a dry run"))
        >>> with DryRun() as executor:
        ...     executor.submit(Task("a1b2", load("quick").trials[0]))
        ...     executor.wait(lambda event: print(event.id, event.reason))
        a1b2 a dry run
    """

    @property
    @abstractmethod
    def workers(self) -> int:
        """The number of trials that can run at once."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Start a trial. At most ``workers`` may run at once."""

    @abstractmethod
    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass events to ``handle`` until at least one trial has ended or about ``seconds`` have passed."""

    def warm(self) -> None:  # noqa: B027
        """Start what the first trial needs, without waiting for it. Does nothing by default."""

    @abstractmethod
    def cancel(self, trial: str) -> None:
        """Stop a running trial: it ends as Failed with cause `cancelled`, unless it ends by itself first."""

    def close(self) -> None:  # noqa: B027
        """Stop all trials and release every resource."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def run_task(run: str, task: Task, on_step: Callable[["Step"], None]) -> Done | Failed:
    """Run one trial in this process and draw its picture; return its exception as Failed."""
    try:
        result: TrialResult = resolve_name(run)(task.spec, on_step, task.options)
    except UsageError as error:
        return Failed(task.id, "usage", _one_line(error))
    except Cancelled:
        failed = Failed(task.id, "cancelled", "stopped")
    except (Exception, SystemExit) as error:
        cause: Cause = "memory" if _ran_out_of_memory(error) else "error"
        reason = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
        machine = environment.machine() if "torch" in sys.modules else {}  # the import of torch may be what failed
        failed = Failed(task.id, cause, reason, traceback.format_exc(), machine)
    else:
        panels, warnings = _draw_panels(result, task.title)
        result = replace(result, exhibit=None)  # its tensors are large, and only the picture is stored
        return Done(task.id, result, panels, environment.machine(), warnings)
    _free_memory()  # not earlier: the frames of the exception hold the tensors that filled the memory
    return failed


def must_exit(event: Done | Failed) -> bool:
    """Return True if this process must end: it ran out of memory, or its GPU has an error that lasts until then."""
    if isinstance(event, Done):
        return False
    if event.cause == "memory":
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def throttle(send: Callable[["Step"], None]) -> Callable[["Step"], None]:
    """Return ``send`` limited to STEPS_PER_SECOND; the first and last step and steps with a probe always pass."""
    last = -1.0 / STEPS_PER_SECOND

    def send_if_due(step: "Step") -> None:
        nonlocal last
        now = time.monotonic()
        if step.probe or step.step >= step.steps or now - last >= 1.0 / STEPS_PER_SECOND:
            last = now
            send(step)

    return send_if_due


def step_callback(send: Callable[["Step"], None], cancelled: Callable[[], bool]) -> Callable[["Step"], None]:
    """Return a trial's step callback: it throttles and sends steps, and raises Cancelled once ``cancelled`` is True."""
    report = throttle(send)

    def on_step(step: "Step") -> None:
        report(step)
        if cancelled():
            raise Cancelled

    return on_step


def _draw_panels(result: "TrialResult", title: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the trial's pictures and warnings; a picture that cannot be drawn does not fail the trial."""
    if result.exhibit is None:
        return {}, ()
    from harness.report.pictures.panels import panel

    try:
        return {"panel": panel(result.exhibit, title)}, ()
    except Exception as error:  # of a plug-in's data, perhaps
        return {}, (f"its picture could not be drawn: {type(error).__name__}: {_one_line(error)}",)


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Return True if the error, or one that it was raised from, means that memory ran out."""
    if error is None:
        return False
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if type(error).__name__ == "OutOfMemoryError":  # of torch, which need not be imported
        return True
    by_allocator = isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATORS)
    return by_allocator or _ran_out_of_memory(error.__cause__)


def _free_memory() -> None:
    """Free the memory of a failed trial: reference cycles, and the cache of the GPU's allocator."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError):  # a GPU in an error state
            torch.cuda.empty_cache()


def _one_line(error: BaseException) -> str:
    """Return an error's text in one line; a message of ours says what to do, so it is kept whole."""
    return shorten(str(error), 2000 if isinstance(error, UsageError) else 300)
