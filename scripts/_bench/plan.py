"""How long a plan of 100,000 cells takes to list, in a process of its own, imports included: under 5 s."""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from _bench.report import run

SECONDS = 5.0
CELLS = """\
name: large
grid:
  fusion: [none, concat, weighted, spatial, blend]
  learning_rate: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
  steps: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
  tokens: [32, 48, 64, 80, 96, 112, 128, 144, 160, 176]
  sigma_px: [0.5, 1.0, 1.5, 2.0]
"""


def measure(seeds: int = 5, rounds: int = 3) -> dict[str, Any]:
    """Return the seconds of a plan of 20,000 cells a seed beside those of a plan of one trial, in turn."""
    large, small = [], []
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
        file = Path(folder) / "large.yaml"
        file.write_text(f"{CELLS}seeds: {seeds}\n")
        (Path(folder) / "small.yaml").write_text("name: small\n")
        for _ in range(rounds):
            large.append(_seconds(file))
            small.append(_seconds(Path(folder) / "small.yaml"))
    took = statistics.median(large)
    return {"cells": 20_000 * seeds, "seconds": took, "one_trial_seconds": statistics.median(small),
            "ratio_to_one_trial": round(took / statistics.median(small), 2), "target": SECONDS}


def _seconds(file: Path) -> float:
    results = str(file.parent / "results")
    return run([sys.executable, "-m", "harness", "plan", str(file), "--results", results])["seconds"]
