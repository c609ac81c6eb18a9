"""Kill workers and coordinators at random moments of a run, and check that nothing is lost and nothing done twice.

    python scripts/chaos.py --trials 200 --workers 4 --worker-kills 20 --coordinator-kills 5

The trials are synthetic and take some tens of milliseconds; store, MLflow, workers and signals are the real ones.
Prints a table, and ends with 1 when anything that must be 0 is not.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from _chaos import checks, kills  # noqa: E402
from _chaos.trials import JOURNAL  # noqa: E402

from harness.store.mlflow_server import connect, default_uri  # noqa: E402

GRID = """\
name: chaos
trial: {{steps: 4}}
grid:
  learning_rate: [0.005, 0.01, 0.02, 0.05]
seeds: {seeds}
"""
SEARCH = """\
name: chaos
trial: {{steps: 4}}
seeds: 2
search:
  sampler: random
  objective: pck_fit@0.1
  space:
    learning_rate: {{low: 0.001, high: 0.1, log: true}}
    sigma_px: {{low: 0.5, high: 3.0}}
  budget: {{trials: {trials}}}
"""


def main(argv: list[str] | None = None) -> int:
    """Run, kill, check and print; return 1 when anything is lost, doubled or in disagreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="how many, a multiple of 4 (200)")
    parser.add_argument("--workers", type=int, default=4, help="worker processes (4)")
    parser.add_argument("--worker-kills", type=int, default=20, help="SIGKILLs of a worker (20)")
    parser.add_argument("--coordinator-kills", type=int, default=5, help="SIGKILLs of the coordinator (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims (0)")
    parser.add_argument("--search", action="store_true", help="trials that a study proposes instead of a grid's")
    parser.add_argument("--folder", type=Path, help="where to run, and to leave everything (a temporary folder)")
    given = parser.parse_args(argv)
    if given.trials % 4 or given.trials < 4:
        parser.error(f"--trials: {given.trials} is no multiple of 4")
    if given.folder is not None:
        return _run(given, given.folder)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return _run(given, Path(folder))


def _run(given: argparse.Namespace, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    file, journal, results = folder / "chaos.yaml", folder / "journal", folder / "results"
    file.write_text((SEARCH if given.search else GRID).format(seeds=given.trials // 4, trials=given.trials))
    draw, tally, began = random.Random(given.seed), kills.Tally(), time.monotonic()
    environment = {**os.environ, JOURNAL: str(journal)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    connect(default_uri(results))  # making the database takes longer than some coordinators live
    coordinator = kills.Coordinator(kills.command(results, file, given.workers), environment, folder / "log", tally)
    try:
        plan = kills.moments(given.trials, given.worker_kills, given.coordinator_kills, draw)
        kills.wreak(coordinator, results / "chaos" / "trials", plan, draw, tally)
        code = kills.finish(coordinator)
    finally:
        coordinator.process.kill()
    found = {"workers killed": tally.workers, "coordinators killed": tally.coordinators,
             "starts of the coordinator": tally.starts, **checks.facts(results, file, journal)}
    for name, value in found.items():
        print(f"{name:<28} {value:>6}")
    wrong = [*([f"the last run ended with exit code {code}"] if code else []), *checks.violations(found)]
    print("\n".join(f"VIOLATION  {line}" for line in wrong) or f"nothing lost, nothing done twice, "
          f"all agree; {time.monotonic() - began:.0f} s")
    if wrong:
        print((folder / "log").read_text()[-4000:], file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
