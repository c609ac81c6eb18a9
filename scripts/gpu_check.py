"""Check the harness on a machine with a GPU: the CPU's scores, two workers on one device, the step's speed and memory.

    python scripts/gpu_check.py                  # about 8 minutes; exit code 1 if a check fails
    python scripts/gpu_check.py --no-bench       # the checks alone

Without a GPU it compares the CPU with itself, so that the check can be tested anywhere, and says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ("quick", "--set", "seeds=1", "--retries", "0")
# Differences that the order of sums explains: a point may move between two equal peaks, and optimisation amplifies it.
LIMITS = {"nvs_loss_baseline": 1e-5, "nvs_loss": 1e-3, "entropy_untrained": 1e-4, "pck_untrained@0.1": 0.02,
          "entropy": 0.02, "pck@0.1": 0.1}
Scores = Mapping[str, Mapping[str, float]]  # by trial


def run(results: Path, arguments: Sequence[str], devices: str | None) -> float:
    """Run the experiment on the named devices ("" for the CPU, None for what is there); return the seconds it took."""
    environment = {**os.environ, "HARNESS_CACHE": str(results / "cache"), "PYTHONPATH": str(ROOT)}
    if devices is not None:
        environment["CUDA_VISIBLE_DEVICES"] = devices
    started = time.monotonic()
    command = [sys.executable, "-m", "harness", "run", *EXPERIMENT, *arguments, "--results", str(results)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def scores(results: Path) -> Scores:
    """Return every trial's scores, and the largest GPU memory among its costs."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*/trials/*/record.json"))]
    return {record["id"]: {**record["cost"], **record["scores"]} for record in records}


def differences(one: Scores, other: Scores) -> dict[str, float]:
    """Return the largest difference of each score of LIMITS over trials; raise SystemExit if the trials differ."""
    if one.keys() != other.keys() or not one:
        raise SystemExit(f"the trials differ: {sorted(one)} and {sorted(other)}")
    return {name: max(abs(one[trial][name] - other[trial][name]) for trial in one if name in one[trial])
            for name in LIMITS}


def check(title: str, one: Scores, other: Scores) -> bool:
    """Print the differences of two runs beside their limits; return whether all are within them."""
    found = differences(one, other)
    for name, value in found.items():
        word = "ok" if value <= LIMITS[name] else "TOO LARGE"
        print(f"{title}: {name} differs by {value:.2g}, at most {LIMITS[name]:g}: {word}")
    return all(value <= LIMITS[name] for name, value in found.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run all checks and print a line for each; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-bench", action="store_true", help="leave the benchmark of the step out")
    args = parser.parse_args(argv)
    import torch

    has_gpu = torch.cuda.is_available()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if has_gpu else 'no GPU: the CPU against itself'}",
          flush=True)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as name:
        folders = [Path(name) / part for part in ("cpu", "device", "two")]
        seconds = [run(folders[0], ["--devices", "cpu"], ""), run(folders[1], [], None),
                   run(folders[2], ["--workers", "2"], None)]
        cpu, device, two = map(scores, folders)
        print(f"seconds: CPU {seconds[0]:.0f}, device {seconds[1]:.0f}, two workers on it {seconds[2]:.0f}")
        peak = [max(trial.get("peak_gpu_memory_mb", 0.0) for trial in each.values()) for each in (device, two)]
        print(f"largest GPU memory of a worker: {peak[0]:.0f} MB, of each of two {peak[1]:.0f} MB")
        passed = [check("device against CPU", cpu, device), check("two workers against one", device, two)]
    if not args.no_bench:
        more = "full_size" if has_gpu else "--quick"
        bench = subprocess.run([sys.executable, str(ROOT / "scripts" / "bench.py"), "step", more], check=False)
        passed.append(bench.returncode == 0)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
