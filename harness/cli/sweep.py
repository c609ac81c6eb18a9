"""The command `sweep`: searches a space of settings until the budget is spent and prints the best one."""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from harness.cli import _progress, _report_files
from harness.cli._executor_options import add_executor, executor_of
from harness.cli._options import add_overrides, add_results, results_of
from harness.cli._plan_view import add_measure
from harness.cli._run_options import add_note, add_policy, exit_code, policy_of, print_summary, remarks
from harness.cli._run_report import print_run_report, write_run_report
from harness.cli._search_output import markdown_tables, search_json, write_files
from harness.cli._search_view import show_search
from harness.config.load import load
from harness.config.spec import Experiment, SearchSpec
from harness.errors import OK, UsageError
from harness.runner.coordinator import Summary, run_trials
from harness.search.outcome import Outcome, outcome_of
from harness.search.sweep import Sweep
from harness.store import mlflow_tracker
from harness.store.store import Store
from harness.store.urls import hide_password

FAILURES = 5  # failed trials in a row that stop a search, unless its file or a flag sets another number


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiment", nargs="?", default="sweep",
                        help="a YAML file with a 'search' block, or the name of a shipped experiment (sweep)")
    add_overrides(parser)
    add_results(parser)
    group = parser.add_argument_group("search")
    group.add_argument("--trials", metavar="N", help="end after N trials in total, those of earlier calls included")
    group.add_argument("--minutes", metavar="N", help="start no trial after N minutes of this call")
    group.add_argument("--storage", metavar="URL", default="",
                       help="database of the study, such as postgresql://user@host/name (study.db beside the records)")
    group.add_argument("--new-study", action="store_true",
                       help="begin a new study beside the existing one; finished trials are not run again")
    add_executor(parser)
    add_policy(parser)
    add_note(parser)
    parser.set_defaults(max_failures=None)
    parser.add_argument("--dry-run", action="store_true", help="show what would be searched and start nothing")
    add_measure(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def main(args: argparse.Namespace) -> int:
    """Search, then print the best settings and the locations of all files; return the exit code."""
    experiment, search = _load_search(args)
    store = Store(results_of(args), experiment.name, args.note, args.tags)
    if args.dry_run:
        show_search(experiment, search, store, args)
        return OK
    from harness.search.feasibility import check_space

    check_space(search)
    if args.max_failures is None:
        args.max_failures = search.budget.failures or FAILURES
    summary, outcome = _run_search(args, experiment, store)
    files = write_files(experiment, store, outcome)
    pages = write_run_report(store, _report_files.build_report(store, _report_files.layout_of(experiment)))
    _show(args, experiment, store, outcome, summary, files)
    print_summary(store, summary, [])
    _print_files(store, files, outcome.url)
    print_run_report(store, pages)
    return exit_code(summary)


def _load_search(args: argparse.Namespace) -> tuple[Experiment, SearchSpec]:
    """Return the experiment with the budget of the flags, and its search; raise UsageError if it has none."""
    budget = [f"search.budget.{key}={value}" for key in ("trials", "minutes") if (value := getattr(args, key))]
    experiment = load(args.experiment, [*args.overrides, *budget])
    if experiment.search is None:
        raise UsageError(f"{experiment.source}: has no 'search'; `harness run {shlex.quote(args.experiment)}` runs its "
                         f"grid")
    return experiment, experiment.search


def _run_search(args: argparse.Namespace, experiment: Experiment, store: Store) -> tuple[Summary, Outcome]:
    """Run the trials of the search until its budget is spent; return the counts and the outcome."""
    note = partial(_report_files.write_layout, store, experiment, ())
    with executor_of(args, store) as executor, _progress.progress(note) as progress:
        sweep = Sweep(experiment, store, storage=args.storage, new_study=args.new_study, warn=progress.warning)
        progress.readout = sweep.readout
        for remark in remarks(experiment):
            progress.warning(remark)
        tracker = mlflow_tracker.MlflowTracker(store)
        try:
            summary = run_trials(sweep, store, executor, tracker, policy=policy_of(args), progress=progress)
        finally:
            sweep.close()
    return summary, outcome_of(sweep.study, store)


def _show(args: argparse.Namespace, experiment: Experiment, store: Store, outcome: Outcome, summary: Summary,
          files: list[Path]) -> None:
    """Print the outcome on stdout and push its files to MLflow."""
    print(search_json(experiment, store, outcome, summary, files) if args.json else markdown_tables(store, outcome))
    problem = mlflow_tracker.push_files(store) if files else ""
    if problem:
        print(f"warning: {problem}", file=sys.stderr)


def _print_files(store: Store, files: list[Path], url: str) -> None:
    """Print the locations of the study, the best setting and the figures on stderr."""
    shown = hide_password(url)
    lines = [f"study    {shown}; optuna-dashboard {shlex.quote(shown)} shows it, also while a search runs"]
    if files:
        lines += [f"best     {files[0]}; python -m harness run {shlex.quote(str(files[0]))}",
                  f"figures  {store.folder / 'figures'}/"]
    print("\n".join(lines), file=sys.stderr)
