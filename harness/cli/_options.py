"""Flags that several commands share, and the values they stand for."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import UsageError, nearest


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
    name = args.results or os.environ.get("HARNESS_RESULTS") or "results"
    path = Path(name)
    demand_no_file(path, "--results" if args.results else "results folder")
    return path


def demand_no_file(folder: Path, what: str) -> None:
    """Raise UsageError if a folder, or one that it lies in, is a file; ``what`` names the flag."""
    for place in (folder, *folder.parents):
        if place.exists():
            if not place.is_dir():
                raise UsageError(f"{what} {folder}: {place} is a file; expected a folder")
            return


def recorded_experiments(results: Path) -> tuple[str, ...]:
    """Return the names of the experiments that have records."""
    return tuple(sorted(path.parent.name for path in results.glob("*/trials") if path.is_dir()))


def chosen_experiments(results: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the named experiments, by default all that have records; raise UsageError for a name without records."""
    with_records = recorded_experiments(results)
    for name in names:
        if name not in with_records:
            raise UsageError(f"{results}: no records of {name!r}{nearest(name, with_records)}")
    if not with_records:
        raise UsageError(f"{results}: nothing was recorded there; `harness run fusion` records")
    return tuple(dict.fromkeys(names)) or with_records


def format_counts(statuses: Iterable[str]) -> str:
    """Return the number of each status as text, such as `2 failed, 4 finished`."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items())) or "none"
