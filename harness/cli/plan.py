"""The command `plan`: shows an experiment's trials (id, status, label) and the cost of the unfinished ones.

For a search, whose trials are not known beforehand, it shows the space and the largest cost.
"""

import argparse

from harness.cli._executor_options import add_executor
from harness.cli._options import add_experiment, add_results, results_of
from harness.cli._plan_view import add_measure, show_plan
from harness.cli._search_view import show_search
from harness.config.load import load
from harness.errors import UsageError
from harness.search.grid import Grid
from harness.store.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    add_measure(parser)
    add_executor(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: id, label, status and every setting")


def main(args: argparse.Namespace) -> int:
    """Print the plan; only --measure runs trials."""
    experiment = load(args.experiment, args.overrides)
    results = results_of(args)
    store = Store(results, experiment.name)
    if experiment.search is None:
        if args.json and args.measure:
            raise UsageError("--measure: the cost of a grid is printed as text only; leave out --json")
        show_plan(Grid(experiment, store), store, args, remark=experiment.remark)
    else:
        show_search(experiment, experiment.search, store, args)
    return 0
