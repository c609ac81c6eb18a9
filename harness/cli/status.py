"""Show how experiments stand, while they run or afterwards: done, running, failed and why, pruned, left, time left."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.cli._options import add_results, chosen, recorded, results_of
from harness.store.parquet_json import strict
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.runner.experiment_status import Standing, Trial


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("name", nargs="?", help="one experiment, with every trial that is not finished")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, finished trials included")


def main(args: argparse.Namespace) -> int:
    """Print what the store says, whoever runs the experiment."""
    from harness.runner.experiment_status import standing

    results = results_of(args)
    names = chosen(results, [args.name]) if args.name else recorded(results)
    found = {name: standing(Store(results, name)) for name in names}
    if args.json:
        print(json.dumps(strict({name: _plain(stands) for name, stands in found.items()}), indent=1, allow_nan=False))
        return 0
    for name, stands in found.items():
        if args.name:
            for line in _lines(stands):
                print(line)
        print(f"{name:<16} {_summary(stands)}")
    return 0


def _plain(stands: "Standing") -> dict[str, Any]:
    trials = {trial: {key: value for key, value in asdict(each).items() if value is not None}
              for trial, each in stands.trials.items()}
    return {"running": stands.alive, "planned": stands.planned, "left": stands.left, "counts": stands.counts,
            "trials_per_hour": stands.per_hour, "seconds_left": stands.seconds_left, "trials": trials}


def _lines(stands: "Standing") -> list[str]:
    """Return a line for each trial that is not finished, those under way first."""
    known = sorted(stands.trials.items(), key=lambda item: (item[1].at is None, item[1].status, item[0]))
    return [f"{trial}  {each.status:<11}  {_details(each)}".rstrip() for trial, each in known
            if each.status != "finished"]


def _details(trial: "Trial") -> str:
    from harness.cli._progress_lines import PROBE, duration

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


def _summary(stands: "Standing") -> str:
    """Return the counts, and of a run that goes on who runs it, how fast, and how long it will take."""
    from harness.cli._progress_lines import duration

    parts = [f"{count} {status}" for status, count in stands.counts.items()] or ["none"]
    if stands.left is not None and (stands.left or stands.alive):
        parts.append(f"{stands.left} of {stands.planned} left")
    line = ", ".join(parts)
    if stands.run is None or not stands.alive:
        stopped = stands.run["stopped"] if stands.run is not None else ""
        return f"{line}; stopped: {stopped}" if stopped else line
    line += f"; run by process {stands.run['pid']} on {stands.run['host']} since {stands.run['began'][:19]} UTC"
    if stands.per_hour:
        line += f"; {stands.per_hour:.0f} trials/h"
    return line + (f", {duration(stands.seconds_left)} left" if stands.seconds_left is not None else "")
