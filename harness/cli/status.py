"""The command `status`: counts an experiment's trials by status, and shows its running and unfinished trials."""

import argparse
import json
import os
from dataclasses import asdict
from typing import Any

from harness.cli._options import add_results, chosen_experiments, recorded_experiments, results_of
from harness.cli._progress_lines import PROBE, duration
from harness.runner.experiment_status import ExperimentStatus, TrialStatus, experiment_status
from harness.store.parquet_json import to_plain_json
from harness.store.renamed import how_to_rename
from harness.store.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("name", nargs="?", help="one experiment, with every trial that is not finished")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, finished trials included")


def main(args: argparse.Namespace) -> int:
    """Print the status of experiments from their folders, also while another process runs them."""
    results = results_of(args)
    names = chosen_experiments(results, [args.name]) if args.name else recorded_experiments(results)
    experiments = {name: experiment_status(Store(results, name)) for name in names}
    if args.json:
        content = to_plain_json({name: _plain(status) for name, status in experiments.items()})
        print(json.dumps(content, indent=1, allow_nan=False))
        return 0
    for name, status in experiments.items():
        if args.name:
            for line in _lines(status):
                print(line)
        print(f"{name:<16} {_summary(status)}")
        unreadable = [trial for trial, state in status.trials.items() if state.status == "unreadable"]
        if renamed := how_to_rename(Store(results, name), unreadable):
            print(f"{'':<16} {renamed}")
    if not experiments:
        print(f"nothing was recorded in {results}{os.sep}; `harness run fusion` records")
    return 0


def _plain(status: ExperimentStatus) -> dict[str, Any]:
    trials = {id_: {key: value for key, value in asdict(trial).items() if value is not None}
              for id_, trial in status.trials.items()}
    return {"running": status.alive, "planned": status.planned, "left": status.left, "counts": status.counts,
            "trials_per_hour": status.per_hour, "seconds_left": status.seconds_left, "trials": trials}


def _lines(status: ExperimentStatus) -> list[str]:
    """Return a line for each trial that is not finished, running ones first."""
    trials = sorted(status.trials.items(), key=lambda item: (item[1].at is None, item[1].status, item[0]))
    return [f"{id_}  {trial.status:<11}  {_details(trial)}".rstrip() for id_, trial in trials
            if trial.status != "finished"]


def _details(trial: TrialStatus) -> str:
    again = f" (attempt {trial.attempts + 1})" if trial.attempts else ""
    if trial.at is None:
        return f"{trial.reason}{again}"
    at = trial.at
    probe = at.get("probe", {})
    parts = [at["worker"], at["label"], f"for {duration(at['seconds'])}"]
    if at["step"]:
        parts.append(f"step {at['step']}/{at['steps']}, loss {at['losses'].get('loss', float('nan')):.4g}")
    if PROBE in probe:
        parts.append(f"{PROBE} {probe[PROBE]:.3f}")
    return ", ".join(part for part in parts if part) + again


def _summary(status: ExperimentStatus) -> str:
    """Return the counts and, for an active run, its process, its speed and the time left."""
    parts = [f"{count} {name}" for name, count in status.counts.items()] or ["none"]
    if status.left is not None and (status.left or status.alive):
        parts.append(f"{status.left} of {status.planned} left")
    line = ", ".join(parts)
    if status.run is None or not status.alive:
        stopped = status.run["stopped"] if status.run is not None else ""
        return f"{line}; stopped: {stopped}" if stopped else line
    run = status.run
    line += f"; run by process {run['pid']} on {run['host']} since {run['began'][:19]} UTC"
    if status.per_hour:
        line += f"; {status.per_hour:.0f} trials/h"
    return line + (f", {duration(status.seconds_left)} left" if status.seconds_left is not None else "")
