"""The process that chaos.py kills and starts again: `python coordinator.py RESULTS EXPERIMENT WORKERS`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from _chaos import trials  # noqa: E402
from harness.cli._progress_lines import ProgressLines  # noqa: E402
from harness.cli._run_options import exit_code  # noqa: E402
from harness.config.load import load  # noqa: E402
from harness.config.spec import Experiment  # noqa: E402
from harness.runner.coordinator import Policy, run_trials  # noqa: E402
from harness.runner.executors.processes import Processes  # noqa: E402
from harness.search.grid import Grid  # noqa: E402
from harness.search.sweep import Sweep  # noqa: E402
from harness.search.trial_source import TrialSource  # noqa: E402
from harness.store.mlflow_tracker import MlflowTracker  # noqa: E402
from harness.store.store import Store  # noqa: E402


def source_of(experiment: Experiment, store: Store) -> TrialSource:
    """Return the grid or search of an experiment."""
    if experiment.search is None:
        return Grid(experiment, store, trials.fingerprints)
    return Sweep(experiment, store, fingerprints=trials.fingerprints)


def main(results: str, file: str, workers: str) -> int:
    """Run the trials that are left; return the exit code of `harness run`."""
    experiment = load(file)
    store = Store(results, experiment.name)
    with Processes("_chaos.trials:run", workers=int(workers), threads=1, devices=(), log=store.folder) as executor:
        summary = run_trials(source_of(experiment, store), store, executor, MlflowTracker(store), policy=Policy(),
                             progress=ProgressLines())
    return exit_code(summary)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
