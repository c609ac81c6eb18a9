"""A trial of some tens of milliseconds whose score its setting decides, and a journal of when each one ran."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from harness.config.spec import RunOptions, TrialSpec
from harness.method.optimise import Step
from harness.method.results import TrialResult

PRINTS = {"data": "chaos", "weights": "chaos"}
JOURNAL = "CHAOS_JOURNAL"  # environment variable: the file that each trial notes itself in
STEPS = 4


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return fingerprints of data and weights that are not there."""
    return PRINTS


def score(spec: TrialSpec) -> float:
    """Return what a setting scores: best at a learning rate of 0.02, a little different for each seed."""
    return 1.0 / (1.0 + abs(spec.learning_rate - 0.02)) - 0.001 * (spec.seed % 7)


def result(spec: TrialSpec) -> TrialResult:
    """Return what a trial leaves, as small as it can be."""
    scores = {"pck@0.1": score(spec), "pck_fit@0.1": score(spec)}
    curve = {"step": [0.0, 1.0], "loss": [2.0, 1.0]}
    return TrialResult("finished", "", scores, {}, curve, {}, {}, None, PRINTS)


def run(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Sleep 20 to 60 ms in steps, and return the score; the journal tells when."""
    trial = spec.id(*PRINTS.values())
    note(f"begin {trial}")
    pause = (0.02 + 0.04 * int(trial[:4], 16) / 0xFFFF) / STEPS
    for step in range(STEPS):
        time.sleep(pause)
        on_step(Step(step + 1, STEPS, {"loss": 1.0 / (step + 1)}, pause * (step + 1)))
    note(f"end {trial}")
    return result(spec)


def run_at_once(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Return the score without any waiting."""
    on_step(Step(STEPS, STEPS, {"loss": 1.0}, 0.0))
    return result(spec)


def note(text: str) -> None:
    """Write a line with the time; lines this short are written whole, also by several processes at once."""
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(f"{text} {time.time()}\n")
