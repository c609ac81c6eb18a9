"""Flags that several commands share, and what they mean."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.load import load
from harness.errors import UsageError, nearest

if TYPE_CHECKING:
    from harness.config.spec import Experiment


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


def planned_experiment(args: argparse.Namespace) -> "Experiment":
    """Return the experiment that is asked for; raise UsageError for a search, whose trials nobody knows beforehand."""
    experiment = load(args.experiment, args.overrides)
    if experiment.search is not None:
        raise UsageError(f"{experiment.source}: has a 'search'; `harness sweep {args.experiment}` runs it, with "
                         f"--dry-run it shows the space")
    return experiment


def results_of(args: argparse.Namespace) -> Path:
    """Return the results folder: the flag, else HARNESS_RESULTS, else results/. It need not exist."""
    given = args.results or os.environ.get("HARNESS_RESULTS") or "results"
    path = Path(given)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{given}: is not a folder")
    return path


def recorded(results: Path) -> tuple[str, ...]:
    """Return the names of the experiments that have records."""
    return tuple(sorted(path.parent.name for path in results.glob("*/trials") if path.is_dir()))


def chosen(results: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the named experiments, all recorded ones where none is named; raise UsageError for one without records."""
    known = recorded(results)
    for name in names:
        if name not in known:
            raise UsageError(f"{results}: no records of {name!r}{nearest(name, known)}")
    if not known:
        raise UsageError(f"{results}: nothing was recorded there; `harness run fusion` records")
    return tuple(dict.fromkeys(names)) or known


def counts(statuses: Iterable[str]) -> str:
    """Return how often each status occurs, in words."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items())) or "none"
