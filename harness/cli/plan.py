"""Show an experiment's trials: their ids, what tells them apart, what is done, and what the rest will cost.

Of a search, whose trials nobody knows beforehand, the space is shown and what it will cost at most.
"""

import argparse

from harness.cli._executor_options import add_executor
from harness.cli._options import add_experiment, add_results, results_of
from harness.cli._plan_view import add_measure, show_plan
from harness.config.load import load
from harness.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    add_measure(parser)
    add_executor(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: id, label, status and every setting")


def main(args: argparse.Namespace) -> int:
    """Print the plan; starts nothing but what --measure asks for."""
    experiment = load(args.experiment, args.overrides)
    results = results_of(args)
    from harness.search.grid import Grid
    from harness.store.store import Store

    store = Store(results, experiment.name)
    if experiment.search is None:
        if args.json and args.measure:
            raise UsageError("--measure: what a grid's trials will cost is told in words; leave out --json")
        show_plan(Grid(experiment, store), store, args)
    else:
        from harness.cli._search_view import show_search

        show_search(experiment, experiment.search, store, args)
    return 0
