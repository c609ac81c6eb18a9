"""Flags that several commands share, and the values they stand for."""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.store.experiments import chosen_experiments, default_results, recorded_experiments

__all__ = ["add_experiment", "add_overrides", "add_results", "chosen_experiments", "demand_no_file", "format_counts",
           "recorded_experiments", "results_of"]


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare --results."""
    parser.add_argument("--results", metavar="DIR", help="results folder (HARNESS_RESULTS, else results/)")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Declare --set."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="override one setting, such as trial.steps=50 or seeds=5; may be repeated")


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Declare the experiment and --set."""
    parser.add_argument("experiment", help="a YAML file, or the name of a shipped experiment such as `fusion`")
    add_overrides(parser)


def results_of(args: argparse.Namespace) -> Path:
    """Return the results folder: the flag, else HARNESS_RESULTS, else results/. It need not exist."""
    path = Path(args.results) if args.results else default_results()
    demand_no_file(path, "--results" if args.results else "results folder")
    return path


def demand_no_file(folder: Path, what: str) -> None:
    """Raise UsageError if a folder, or one that it lies in, is a file; ``what`` names the flag."""
    for place in (folder, *folder.parents):
        if place.exists():
            if not place.is_dir():
                raise UsageError(f"{what} {folder}: {place} is a file; expected a folder")
            return


def demand_own_folder(folder: Path, marker: str) -> None:
    """Raise UsageError if a folder to be replaced is a file, or holds files but not ``marker``: it is not ours."""
    demand_no_file(folder, "--output")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).is_file():
        raise UsageError(f"--output {folder}: holds other files; name a new folder")


def format_counts(statuses: Iterable[str]) -> str:
    """Return the number of each status as text, such as `2 failed, 4 finished`."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items())) or "none"
