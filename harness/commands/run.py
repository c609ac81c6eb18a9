"""Run an experiment: every combination of its grid with every seed that is not done yet; end with its tables."""

import argparse
import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import config
from harness.commands._shared import add_experiment, add_results, results_of, show_plan
from harness.plugins import UsageError

if TYPE_CHECKING:
    from harness.conduct import Summary
    from harness.report.tables import Table
    from harness.spec import Experiment
    from harness.store import Store

OK, SOME_FAILED, INTERRUPTED = 0, 1, 75
PRINTED = ("pck", "views")  # the tables that end a run; the report files hold them all


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    parser.add_argument("--executor", choices=("processes", "inline"), default="processes",
                        help="where trials run: a warm worker process (default), or this process, for debugging")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes; this version has one")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the worker (as many as cores)")
    parser.add_argument("--force", action="store_true", help="run finished trials again")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and start nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def main(args: argparse.Namespace) -> int:
    """Run, print the tables, and say where everything lies; 1 if trials failed, 75 if it was interrupted."""
    if args.workers != 1:
        raise UsageError(f"--workers: {args.workers} is out of range; this version runs one worker")
    if args.threads is not None and args.threads < 1:
        raise UsageError(f"--threads: {args.threads} is out of range; expected 1 or more")
    experiment = config.load(args.experiment, args.overrides)
    results = results_of(args)
    from harness.commands import _progress, _tables
    from harness.conduct import conduct, plan
    from harness.store import Store
    from harness.tracking import MlflowTracker

    store = Store(results, experiment.name)
    if args.dry_run:
        show_plan(plan(experiment, store), as_json=args.json)
        return OK
    note = partial(_tables.note, store, experiment)
    with _executor(args, store) as executor, _progress.progress(note, force=args.force) as progress:
        summary = conduct(experiment, store, executor, MlflowTracker(store), force=args.force, progress=progress)
    tables = _tables.tables_of(store, _tables.layout_of(experiment))
    files = _tables.write(tables, store.folder, "report") if tables else []
    _show(args, experiment, store, summary, tables)
    _say_where(store, summary, files)
    if summary.interrupted or summary.left:
        return INTERRUPTED
    return SOME_FAILED if summary.failed else OK


def _executor(args: argparse.Namespace, store: "Store") -> AbstractContextManager[Any]:
    if args.executor == "inline":
        from harness.execution.inline import Inline

        return Inline(threads=args.threads)
    from harness.execution.processes import Processes

    return Processes(threads=args.threads, log=store.folder / "worker.log")


def _show(args: argparse.Namespace, experiment: "Experiment", store: "Store", summary: "Summary",
          tables: "tuple[Table, ...]") -> None:
    """Print the run's data on stdout."""
    from harness.commands._tables import rendered
    from harness.report.tables import to_json

    if args.json:
        content = {"experiment": experiment.name, "results": str(store.folder), "summary": asdict(summary),
                   "tables": to_json(tables)}
        print(json.dumps(content, indent=1))
    elif tables:
        print(rendered([table for table in tables if table.name in PRINTED] or tables[:1], "markdown"))


def _say_where(store: "Store", summary: "Summary", files: list[Path]) -> None:
    """Say how it went and where everything lies."""
    from harness.commands._progress import duration

    parts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed,
             "interrupted": summary.interrupted, "not started": summary.left}
    went = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
    lines = [f"{summary.planned} planned: {went}; {duration(summary.seconds)}", f"records  {store.trials}/"]
    if files:
        lines.append(f"tables   {', '.join(map(str, files))}")
    lines.append(f"MLflow   python -m harness ui --results {store.results}")
    if summary.failed or summary.interrupted or summary.left:
        lines.append("The same command resumes: what is finished is not run again.")
    print("\n".join(lines), file=sys.stderr)
