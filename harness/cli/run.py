"""The command `run`: runs the trials of an experiment that are not finished and prints its tables."""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from functools import partial

from harness.cli import _progress, _report_files
from harness.cli._executor_options import add_executor, executor_of
from harness.cli._options import add_experiment, add_results, results_of
from harness.cli._plan_view import add_measure, show_plan
from harness.cli._run_options import add_note, add_policy, examples, exit_code, policy_of, print_summary, remarks
from harness.cli._run_report import print_run_report, write_run_report
from harness.config.load import load
from harness.config.spec import Experiment
from harness.errors import OK, UsageError
from harness.report.tables.build import Table
from harness.report.writers.csv_json import to_json
from harness.report.writers.markdown import to_markdown
from harness.runner.coordinator import Summary, run_trials
from harness.search.grid import Grid
from harness.store import mlflow_tracker
from harness.store.store import Store

TABLES = _report_files.SUFFIXES.values()
PRINTED = ("pck", "views", "generated")  # the tables that a run prints; the report files contain all tables


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    add_executor(parser)
    add_policy(parser)
    add_note(parser)
    parser.add_argument("--force", action="store_true", help="run finished trials again")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and start nothing")
    add_measure(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def main(args: argparse.Namespace) -> int:
    """Run the trials, then print the tables and the locations of all files; return the exit code."""
    experiment = load(args.experiment, args.overrides)
    if experiment.search is not None:
        raise UsageError(f"{experiment.source}: has a 'search'; `harness sweep {shlex.quote(args.experiment)}` runs "
                         f"it, with --dry-run it shows the space")
    store = Store(results_of(args), experiment.name, args.note, args.tags)
    grid = Grid(experiment, store, force=args.force)
    if args.dry_run:
        show_plan(grid, store, args, force=args.force, remark=experiment.remark)
        return OK
    note = partial(_report_files.write_layout, store, experiment, grid)
    place = executor_of(args, store, examples(experiment), grid.total - grid.done)
    with place as executor, _progress.progress(note) as progress:
        for remark in remarks(experiment):
            progress.warning(remark)
        tracker = mlflow_tracker.MlflowTracker(store)
        summary = run_trials(grid, store, executor, tracker, policy=policy_of(args), progress=progress)
    report = _report_files.build_report(store, _report_files.layout_of(experiment))
    files = write_run_report(store, report)
    _show(args, experiment, store, summary, report.tables)
    has_run = summary.done or summary.failed or summary.pruned  # else MLflow was not imported, which takes seconds
    problem = mlflow_tracker.push_files(store) if files and has_run else ""
    if problem:
        print(f"warning: {problem}", file=sys.stderr)
    tables = [path for path in files if path.parent == store.folder and path.suffix in TABLES]
    print_summary(store, summary, tables, forced=args.force)
    print_run_report(store, files)
    return exit_code(summary)


def _show(args: argparse.Namespace, experiment: Experiment, store: Store, summary: Summary,
          tables: tuple[Table, ...]) -> None:
    """Print the tables, or with --json the summary and all tables, on stdout."""
    if args.json:
        content = {"experiment": experiment.name, "results": str(store.folder), "summary": asdict(summary),
                   "tables": to_json(tables)}
        print(json.dumps(content, indent=1))
    elif tables:
        printed = [table for table in tables if table.name in PRINTED] or tables[:1]
        print(to_markdown(printed))
