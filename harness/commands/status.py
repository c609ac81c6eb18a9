"""Show what was recorded, by experiment; with a name, trial by trial."""

import argparse
import json
from pathlib import Path

from harness.commands._shared import add_results, chosen, counts, recorded, results_of
from harness.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("name", nargs="?", help="one experiment, trial by trial")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Print statuses as they are in the store."""
    results = results_of(args)
    names = chosen(results, [args.name]) if args.name else recorded(results)
    found = {name: _statuses(results, name) for name in names}
    if args.json:
        print(json.dumps(found, indent=1))
    elif args.name:
        for trial, (status, reason) in found[args.name].items():
            print(f"{trial}  {status:<11}  {reason}".rstrip())
        print(f"{len(found[args.name])} recorded: {counts(status for status, _ in found[args.name].values())}")
    else:
        for name, trials in found.items():
            print(f"{name:<16} {counts(status for status, _ in trials.values())}")
    return 0


def _statuses(results: Path, name: str) -> dict[str, tuple[str, str]]:
    """Return status and reason by trial: of every record, of folders that are no record, and of what merely began."""
    store = Store(results, name)
    found = {record["id"]: (str(record["status"]), str(record["reason"])) for record in store.records()}
    found |= {trial: ("unreadable", problem) for trial, problem in store.unreadable().items()}
    for marker in store.trials.glob(".*.started"):
        trial = marker.name[1:].removesuffix(".started")
        found.setdefault(trial, (store.status(trial), ""))
    return dict(sorted(found.items()))
