"""Flags that several commands share, and what they mean."""

import argparse
import os
from pathlib import Path

from harness.plugins import UsageError


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare --results."""
    parser.add_argument("--results", metavar="DIR", help="results folder (HARNESS_RESULTS, else results/)")


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Declare the experiment and --set."""
    parser.add_argument("experiment", help="a YAML file, or the name of a shipped experiment such as `fusion`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="override one setting, such as trial.steps=50 or seeds=5; may be repeated")


def results_of(args: argparse.Namespace) -> Path:
    """Return the results folder: the flag, else HARNESS_RESULTS, else results/. It need not exist."""
    given = args.results or os.environ.get("HARNESS_RESULTS") or "results"
    path = Path(given)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{given}: is not a folder")
    return path
