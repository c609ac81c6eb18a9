"""A synthetic trial: some tens of milliseconds, a score that depends on the setting alone, and a journal of runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from harness.config.spec import RunOptions, TrialSpec
from harness.method.optimise import Step
from harness.method.results import TrialResult

FINGERPRINTS = {"data": "chaos", "weights": "chaos"}
JOURNAL = "CHAOS_JOURNAL"  # environment variable: the file to which each trial writes its start and end
STEPS = 4


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return constant fingerprints: there is no data, and there are no weights."""
    return FINGERPRINTS


def score(spec: TrialSpec) -> float:
    """Return a setting's score: best at a learning rate of 0.02, with a small difference between seeds."""
    return 1.0 / (1.0 + abs(spec.learning_rate - 0.02)) - 0.001 * (spec.seed % 7)


def result(spec: TrialSpec) -> TrialResult:
    """Return a minimal result."""
    scores = {"pck@0.1": score(spec), "pck_fit@0.1": score(spec)}
    curve = {"step": [0.0, 1.0], "loss": [2.0, 1.0]}
    return TrialResult("finished", "", scores, {}, curve, {}, {}, None, FINGERPRINTS)


def run(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Sleep 20 to 60 ms in steps, and return the result; write start and end to the journal."""
    trial = spec.id(*FINGERPRINTS.values())
    write_journal(f"begin {trial}")
    pause = (0.02 + 0.04 * int(trial[:4], 16) / 0xFFFF) / STEPS
    for step in range(STEPS):
        time.sleep(pause)
        on_step(Step(step + 1, STEPS, {"loss": 1.0 / (step + 1)}, pause * (step + 1)))
    write_journal(f"end {trial}")
    return result(spec)


def run_at_once(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Return the result without sleeping."""
    on_step(Step(STEPS, STEPS, {"loss": 1.0}, 0.0))
    return result(spec)


def write_journal(text: str) -> None:
    """Append a line with the time; appends this short are atomic across processes."""
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(f"{text} {time.time()}\n")
