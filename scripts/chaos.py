"""Kill workers and coordinators at random times, and check that no trial is lost and none is done twice.

    python scripts/chaos.py --trials 200 --workers 4 --worker-kills 20 --coordinator-kills 5

The trials are synthetic and take some tens of milliseconds; store, MLflow, workers and signals are real. Prints a
table. The exit code is 1 if a number that must be 0 is not.
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
    """Run, kill, check and print; return 1 if a trial is lost or done twice, or if the records disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="number of trials, a multiple of 4 (200)")
    parser.add_argument("--workers", type=int, default=4, help="worker processes (4)")
    parser.add_argument("--worker-kills", type=int, default=20, help="number of SIGKILLs to workers (20)")
    parser.add_argument("--coordinator-kills", type=int, default=5, help="number of SIGKILLs to the coordinator (5)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of times and victims (0)")
    parser.add_argument("--search", action="store_true", help="run a search instead of a grid")
    parser.add_argument("--folder", type=Path, help="folder for all files (a temporary one)")
    args = parser.parse_args(argv)
    if args.trials % 4 or args.trials < 4:
        parser.error(f"--trials: {args.trials} is no multiple of 4")
    if args.folder is not None:
        return _run(args, args.folder)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return _run(args, Path(folder))


def _run(args: argparse.Namespace, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    file, journal, results = folder / "chaos.yaml", folder / "journal", folder / "results"
    file.write_text((SEARCH if args.search else GRID).format(seeds=args.trials // 4, trials=args.trials))
    draw, tally, began = random.Random(args.seed), kills.Tally(), time.monotonic()
    environment = {**os.environ, JOURNAL: str(journal)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    connect(default_uri(results))  # creates the database, which takes longer than some coordinators live
    command = kills.command(results, file, args.workers)
    coordinator = kills.CoordinatorProcess(command, environment, folder / "log", tally)
    try:
        plan = kills.plan_kills(args.trials, args.worker_kills, args.coordinator_kills, draw)
        kills.carry_out(coordinator, results / "chaos" / "trials", plan, draw, tally)
        code = kills.run_to_end(coordinator)
    finally:
        coordinator.process.kill()
    facts = {"workers killed": tally.workers, "coordinators killed": tally.coordinators,
             "starts of the coordinator": tally.starts, **checks.facts(results, file, journal)}
    for name, value in facts.items():
        print(f"{name:<28} {value:>6}")
    faults = [*([f"the last run ended with exit code {code}"] if code else []), *checks.violations(facts)]
    print("\n".join(f"VIOLATION  {line}" for line in faults) or f"nothing lost, nothing done twice, "
          f"all agree; {time.monotonic() - began:.0f} s")
    if faults:
        print((folder / "log").read_text()[-4000:], file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
