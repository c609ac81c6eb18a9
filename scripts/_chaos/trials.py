"""A trial of some tens of milliseconds whose score its setting decides, and a journal of when each one ran."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.optimise import Step
from harness.spec import RunOptions, TrialSpec

if TYPE_CHECKING:
    from harness.results import Exhibit

PRINTS = {"data": "chaos", "weights": "chaos"}
JOURNAL = "CHAOS_JOURNAL"  # environment variable: the file that each trial notes itself in
STEPS = 4


@dataclass(frozen=True)
class Result:
    """What the store keeps of a trial, as small as it can be."""

    scores: dict[str, float]
    curve: dict[str, list[float]]
    status: str = "finished"
    reason: str = ""
    cost: dict[str, float] = field(default_factory=dict)
    points: dict[str, list[Any]] = field(default_factory=dict)
    fit: dict[str, list[Any]] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=lambda: PRINTS)
    exhibit: "Exhibit | None" = None


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return fingerprints of data and weights that are not there."""
    return PRINTS


def score(spec: TrialSpec) -> float:
    """Return what a setting scores: best at a learning rate of 0.02, a little different for each seed."""
    return 1.0 / (1.0 + abs(spec.learning_rate - 0.02)) - 0.001 * (spec.seed % 7)


def run(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> Result:
    """Sleep 20 to 60 ms in steps, and return the score; the journal tells when."""
    trial = spec.id(*PRINTS.values())
    note(f"begin {trial}")
    pause = (0.02 + 0.04 * int(trial[:4], 16) / 0xFFFF) / STEPS
    for step in range(STEPS):
        time.sleep(pause)
        on_step(Step(step + 1, STEPS, {"loss": 1.0 / (step + 1)}, pause * (step + 1)))
    note(f"end {trial}")
    scores = {"pck@0.1": score(spec), "pck_fit@0.1": score(spec)}
    return Result(scores, {"step": [0.0, 1.0], "loss": [2.0, 1.0]})


def note(text: str) -> None:
    """Write a line with the time; lines this short are written whole, also by several processes at once."""
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(f"{text} {time.time()}\n")
