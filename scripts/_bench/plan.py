"""The time to list a plan of 100,000 trials in its own process, imports included: under 5 s.

The target is for processor time. The process is one thread that waits for nothing, so on an idle machine the wall-clock
time, which is printed too, is the same.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
    """Return the seconds for a plan of 20,000 trials per seed and for a plan of one trial; both take turns."""
    large, small = [], []
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
        file = Path(folder) / "large.yaml"
        file.write_text(f"{CELLS}seeds: {seeds}\n")
        (Path(folder) / "small.yaml").write_text("name: small\n")
        for _ in range(rounds):
            large.append(_seconds(file))
            small.append(_seconds(Path(folder) / "small.yaml"))
    processor, wall = (round(statistics.median(values), 2) for values in zip(*large, strict=True))
    alone = round(statistics.median(processor for processor, _ in small), 2)
    return {"cells": 20_000 * seeds, "processor_seconds": processor, "wall_seconds": wall,
            "one_trial_processor_seconds": alone, "ratio_to_one_trial": round(processor / alone, 2), "target": SECONDS}


def _seconds(file: Path) -> tuple[float, float]:
    """Return a plan's processor time and wall-clock time in seconds; raise RuntimeError if it fails."""
    command = [sys.executable, "-m", "harness", "plan", str(file), "--results", str(file.parent / "results")]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began
