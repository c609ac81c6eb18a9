"""What every place where trials run has in common: its events, its interface, and how one trial is attempted."""

import importlib
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from harness import environment
from harness.plugins import UsageError
from harness.spec import TrialSpec

if TYPE_CHECKING:
    from harness.optimise import Step
    from harness.results import TrialResult

RUN = "harness.trial:run"
STEPS_PER_SECOND = 10.0  # of each trial, reported to the coordinator
Cause = Literal["usage", "error", "died", "cancelled"]
Run = Callable[[TrialSpec, Callable[["Step"], None]], "TrialResult"]


@dataclass(frozen=True)
class Stepped:
    """A trial has made a step; not every step is reported."""

    id: str
    step: "Step"


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
    """A trial gave no result: bad settings, an exception, a worker that died, or cancelled on request."""

    id: str
    cause: Cause
    reason: str
    traceback: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)


Event = Stepped | Done | Failed


class Executor(Protocol):
    """A place where trials run. Only the coordinator's thread calls it."""

    @property
    def workers(self) -> int:
        """How many trials can be under way at once."""

    def warm(self) -> None:
        """Begin starting what a first trial will wait for; returns at once."""

    def submit(self, trial: str, spec: TrialSpec, title: str = "") -> None:
        """Start a trial; ``title`` heads its picture. At most ``workers`` may be under way."""

    def wait(self, handle: Callable[[Event], None], seconds: float | None = None) -> None:
        """Pass on events as they come, until a trial has ended or about ``seconds`` have passed."""

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


def attempt(run: str, trial: str, spec: TrialSpec, title: str, on_step: Callable[["Step"], None]) -> Done | Failed:
    """Run one trial in this process and draw its picture; whatever it raises becomes an event.

    Tensors of the picture stay behind: they are large, and the picture is what is kept.
    """
    try:
        result: TrialResult = resolve(run)(spec, on_step)
    except UsageError as error:
        return Failed(trial, "usage", _one_line(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {_one_line(error)}"
        return Failed(trial, "error", reason, traceback.format_exc(), environment.machine())
    panels, warnings = _draw(result, title)
    return Done(trial, replace(result, exhibit=None), panels, environment.machine(), warnings)


def throttled(send: Callable[["Step"], None]) -> Callable[["Step"], None]:
    """Return ``send`` limited to STEPS_PER_SECOND; the first and the last step always pass."""
    last = -1.0 / STEPS_PER_SECOND

    def maybe(step: "Step") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 1.0 / STEPS_PER_SECOND or step.step >= step.steps:
            last = now
            send(step)

    return maybe


def _draw(result: "TrialResult", title: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the trial's pictures; a picture that cannot be drawn is a warning, its numbers stand."""
    if result.exhibit is None:
        return {}, ()
    from harness.visual.panels import panel

    try:
        return {"panel": panel(result.exhibit, title)}, ()
    except Exception as error:
        return {}, (f"its picture could not be drawn: {type(error).__name__}: {_one_line(error)}",)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."
