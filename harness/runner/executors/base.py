"""What every place where trials run has in common: its events, its interface, and how one trial is attempted."""

import errno
import gc
import importlib
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from harness.config.spec import RunOptions, TrialSpec
from harness.errors import UsageError
from harness.runner import environment

if TYPE_CHECKING:
    from harness.method.optimise import Step
    from harness.method.results import TrialResult

RUN = "harness.method.trial:run"
STEPS_PER_SECOND = 10.0  # of each trial, reported to the coordinator
Cause = Literal["usage", "error", "memory", "died", "cancelled"]
# What allocators say in a RuntimeError: PyTorch's on the CPU and of files, the GPU's, cuBLAS's and cuDNN's.
ALLOCATORS = ("DefaultCPUAllocator", "Cannot allocate memory", "out of memory", "STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class Task:
    """A trial to run: its id, its setting, what heads its picture, and how it is run."""

    id: str
    spec: TrialSpec
    title: str = ""
    options: RunOptions = RunOptions()


@dataclass(frozen=True)
class Stepped:
    """A trial has made a step on the named worker; not every step is reported."""

    id: str
    step: "Step"
    worker: str = ""


@dataclass(frozen=True)
class Done:
    """A trial's run returned: its result (which may say failed), PNG pictures by name, and the machine it ran on."""

    id: str
    result: "TrialResult"
    panels: Mapping[str, bytes]
    environment: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A trial gave no result: bad settings, an exception, no memory, a worker that died, or cancelled on request."""

    id: str
    cause: Cause
    reason: str
    traceback: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)


Event = Stepped | Done | Failed


class Cancelled(BaseException):
    """Stops a trial from inside its step callback; not an Exception, so that no trial takes it for its own failure."""


class Executor(Protocol):
    """A place where trials run. Only the coordinator's thread calls it."""

    @property
    def workers(self) -> int:
        """How many trials can be under way at once."""

    def warm(self) -> None:
        """Begin starting what a first trial will wait for; returns at once."""

    def submit(self, task: Task) -> None:
        """Start a trial. At most ``workers`` may be under way."""

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass on events as they come, until at least one trial has ended or about ``seconds`` have passed."""

    def cancel(self, trial: str) -> None:
        """Stop a trial that is under way: it ends as Failed with cause `cancelled`, unless it was done already."""

    def close(self) -> None:
        """Stop everything."""


class Closing(ABC):
    """Makes an executor a context manager that closes itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Stop everything."""


def resolve(dotted: str) -> Any:
    """Return the object that ``package.module:name`` names."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def attempt(run: str, task: Task, on_step: Callable[["Step"], None]) -> Done | Failed:
    """Run one trial in this process and draw its picture; whatever it raises becomes an event.

    Tensors of the picture stay behind: they are large, and the picture is what is kept.
    """
    try:
        result: TrialResult = resolve(run)(task.spec, on_step, task.options)
    except UsageError as error:
        return Failed(task.id, "usage", _one_line(error))
    except Cancelled:
        failed = Failed(task.id, "cancelled", "stopped")
    except (Exception, SystemExit) as error:
        cause: Cause = "memory" if _lacks_memory(error) else "error"
        reason = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
        # What failed may be the import of torch, which tells of the machine.
        known = environment.machine() if "torch" in sys.modules else {}
        failed = Failed(task.id, cause, reason, traceback.format_exc(), known)
    else:
        panels, warnings = _draw(result, task.title)
        return Done(task.id, replace(result, exhibit=None), panels, environment.machine(), warnings)
    _free()  # only here: until the exception is gone, its frames keep the tensors that filled the memory
    return failed


def spent(event: Done | Failed) -> bool:
    """Return whether this process should run no further trial: it ran out of memory, or its GPU answers no more.

    A new process starts with all the memory, without what earlier trials loaded. After some errors of a GPU every
    later call fails until the process ends.
    """
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


def throttled(send: Callable[["Step"], None]) -> Callable[["Step"], None]:
    """Return ``send`` limited to STEPS_PER_SECOND; the first and the last step and those with a probe always pass."""
    last = -1.0 / STEPS_PER_SECOND

    def maybe(step: "Step") -> None:
        nonlocal last
        now = time.monotonic()
        if step.probe or step.step >= step.steps or now - last >= 1.0 / STEPS_PER_SECOND:
            last = now
            send(step)

    return maybe


def _draw(result: "TrialResult", title: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the trial's pictures; a picture that cannot be drawn is a warning, its numbers stand."""
    if result.exhibit is None:
        return {}, ()
    from harness.report.pictures.panels import panel

    try:
        return {"panel": panel(result.exhibit, title)}, ()
    except Exception as error:  # of a plug-in's data, perhaps: the trial's numbers are worth more than its picture
        return {}, (f"its picture could not be drawn: {type(error).__name__}: {_one_line(error)}",)


def _lacks_memory(error: BaseException | None) -> bool:
    """Return whether the error, or the one it was raised from, says that memory ran out."""
    if error is None:
        return False
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if type(error).__name__ == "OutOfMemoryError":  # torch's, whatever it says; torch need not be imported
        return True
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATORS)
    return told or _lacks_memory(error.__cause__)


def _free() -> None:
    """Give back what a failed trial held: cycles, and blocks that the GPU's allocator keeps."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError):  # a GPU that answers no more
            torch.cuda.empty_cache()


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."
