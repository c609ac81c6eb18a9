"""Search a space of settings: propose, run and score them until the budget is spent; end with the best one."""

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from harness.cli._executor_options import add_executor, executor_of
from harness.cli._options import add_overrides, add_results, results_of
from harness.cli._plan_view import add_measure
from harness.cli._run_options import add_policy, exit_code, policy_of, say_where
from harness.config.load import load
from harness.errors import OK, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.store.store import Store

FAILURES = 5  # in a row, after which a search stops unless its file or a flag says another number


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("experiment", nargs="?", default="sweep",
                        help="a YAML file with a 'search' block, or the name of a shipped experiment (sweep)")
    add_overrides(parser)
    add_results(parser)
    group = parser.add_argument_group("what is searched")
    group.add_argument("--trials", metavar="N", help="end after N trials in all, those of earlier calls included")
    group.add_argument("--minutes", metavar="N", help="start nothing after N minutes of this call")
    group.add_argument("--storage", metavar="URL", default="",
                       help="database of the study, such as postgresql://user@host/name (study.db beside the records)")
    group.add_argument("--new-study", action="store_true",
                       help="begin another study beside the one there is; what is finished is not run again")
    add_executor(parser)
    add_policy(parser)
    parser.set_defaults(max_failures=None)
    parser.add_argument("--dry-run", action="store_true", help="show what would be searched and start nothing")
    add_measure(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def main(args: argparse.Namespace) -> int:
    """Search, print the best settings, and say where everything lies; the exit code says how it went."""
    budget = [f"search.budget.{key}={given}" for key in ("trials", "minutes") if (given := getattr(args, key))]
    experiment = load(args.experiment, [*args.overrides, *budget])
    if experiment.search is None:
        raise UsageError(f"{experiment.source}: has no 'search'; `harness run {args.experiment}` runs its grid")
    results = results_of(args)
    from harness.cli import _progress, _report_files, _search_output, _search_view
    from harness.runner.coordinator import conduct
    from harness.search.feasibility import check_space
    from harness.search.outcome import outcome
    from harness.search.sweep import Sweep
    from harness.store.mlflow_tracker import MlflowTracker, attach
    from harness.store.store import Store

    store = Store(results, experiment.name)
    if args.dry_run:
        _search_view.show_search(experiment, experiment.search, store, args)
        return OK
    check_space(experiment.search)
    if args.max_failures is None:
        args.max_failures = experiment.search.budget.failures or FAILURES
    note = partial(_report_files.note, store, experiment, ())
    with executor_of(args, store) as executor, _progress.progress(note) as progress:
        sweep = Sweep(experiment, store, storage=args.storage, new_study=args.new_study, warn=progress.warning)
        try:
            summary = conduct(sweep, store, executor, MlflowTracker(store), policy=policy_of(args), progress=progress)
        finally:
            sweep.close()
    found = outcome(sweep.study, store)
    files = _search_output.keep(experiment, store, found)
    text = (_search_output.as_json(experiment, store, found, summary, files) if args.json
            else _search_output.tables(store, found))
    print(text)
    problem = attach(store) if files else ""
    if problem:
        print(f"warning: {problem}", file=sys.stderr)
    say_where(store, summary, [])
    _say_best(store, files, sweep.study.url)
    return exit_code(summary)


def _say_best(store: "Store", files: "list[Path]", url: str) -> None:
    """Say where the best setting, the figures and the study are, on stderr."""
    from harness.store.urls import shown

    lines = [f"study    {shown(url)}; optuna-dashboard {shown(url)} shows it, also while a search runs"]
    if files:
        lines += [f"best     {files[0]}; python -m harness run {files[0]}", f"figures  {store.folder / 'figures'}/"]
    print("\n".join(lines), file=sys.stderr)
