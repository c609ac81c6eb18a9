"""The command `prune`: removes failed, stale or chosen trials after showing them, from MLflow too."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli import _lookup
from harness.cli._options import add_results, chosen_experiments, recorded_experiments, results_of
from harness.errors import OK, UsageError, shorten
from harness.report.tables.rows import describe_specs
from harness.store.mlflow_server import default_uri
from harness.store.removal import remove_runs, remove_trials
from harness.store.store import Store
from harness.store.urls import hide_password

STATUSES = ("failed", "stale", "interrupted", "pruned")
USUAL = STATUSES[:2]
MOST = 40  # trials that are shown one by one


@dataclass(frozen=True)
class Removal:
    """A trial to remove: its store, its record and the size of its folder in bytes."""

    store: Store
    record: Mapping[str, Any]
    size: int

    @property
    def id(self) -> str:
        """Return the trial's id."""
        return str(self.record["id"])

    @property
    def is_unchanged(self) -> bool:
        """Return whether the record is still the one that was shown: another run may have replaced it meanwhile."""
        record = self.store.record(self.id)
        return record is not None and record["started"] == self.record["started"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("sides", nargs="*", metavar="NAME | TRIAL", help="experiments, whose failed and stale trials "
                        "are removed (all), or beginnings of trials' ids: exactly these, finished ones too")
    parser.add_argument("--status", action="append", choices=STATUSES,
                        help=f"of experiments, remove the trials of this status; may be repeated ({', '.join(USUAL)})")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.add_argument("--keep-mlflow", action="store_true", help="leave the trials' runs in MLflow")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Show the trials, ask, and remove them; nothing is removed if MLflow does not answer."""
    results = results_of(args)
    removals = {removal.id: removal for removal in _chosen(results, args.sides, args.status or USUAL)}
    if not removals:
        print(f"nothing to remove: no trial is {' or '.join(args.status or USUAL)}")
        return OK
    _show([*removals.values()])
    if not args.yes and not _confirmed(len(removals)):
        print("nothing was removed")
        return OK
    stores = {removal.store.experiment: removal.store for removal in removals.values()}
    with ExitStack() as locks:
        for store in stores.values():
            locks.enter_context(store.lock())
        for store in stores.values():
            ids = [id_ for id_, removal in removals.items()
                   if removal.store.experiment == store.experiment and removal.is_unchanged]
            runs = 0 if args.keep_mlflow else _remove_runs(store, ids)
            remove_trials(store, ids)
            print(f"{store.experiment}: {len(ids)} trials removed, {runs} runs in MLflow; the next run computes those "
                  "of its plan again, and `harness report` writes the tables without them")
    return OK


def _chosen(results: Path, sides: list[str], statuses: list[str] | tuple[str, ...]) -> Iterator[Removal]:
    named = [side for side in sides if side in recorded_experiments(results)]
    for name in chosen_experiments(results, named) if named or not sides else ():
        store = Store(results, name)
        yield from (_removal(store, record) for record in store.records() if record["status"] in statuses)
    for prefix in (side for side in sides if side not in named):
        store, trial = _lookup.find_trial(results, prefix)
        record = store.record(trial)
        if record is None:
            raise UsageError(f"{store.path(trial)}: its record cannot be read; delete the folder, or the next run of "
                             f"{store.experiment} sets it aside")
        yield _removal(store, record)


def _removal(store: Store, record: Mapping[str, Any]) -> Removal:
    files = (path for path in store.path(record["id"]).rglob("*") if path.is_file())
    return Removal(store, record, sum(path.stat().st_size for path in files))


def _show(removals: list[Removal]) -> None:
    specs = [removal.record["spec"] for removal in removals]
    labels = describe_specs(specs) if all(specs) else [""] * len(specs)  # a stale record may lack a setting
    for removal, label in list(zip(removals, labels, strict=True))[:MOST]:
        reason = shorten(str(removal.record["reason"]), 80)
        words = [removal.store.experiment, removal.id, removal.record["status"], label, reason and f"({reason})"]
        print("  ".join(filter(None, words)))
    if len(removals) > MOST:
        print(f"and {len(removals) - MOST} more")
    print(f"{len(removals)} trials, {sum(removal.size for removal in removals) / 1e6:.1f} MB", flush=True)


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nothing was removed, since there is no terminal to ask on; --yes removes without asking")
    print(f"remove {count} trials for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove_runs(store: Store, trials: list[str]) -> int:
    uri = default_uri(store.results)
    try:
        return remove_runs(store, uri, trials)
    except Exception as error:  # of any library
        problem = f"{type(error).__name__}: {shorten(str(error), 200)}"
        raise UsageError(f"{store.folder}{os.sep}: nothing was removed: MLflow at {hide_password(uri)}: {problem}; "
                         "--keep-mlflow leaves its runs") from error
