"""Show an experiment's trials: their ids, what tells them apart, what is done, and what the rest will cost."""

import argparse

from harness.commands._executors import add_executor
from harness.commands._plans import add_measure, show_plan
from harness.commands._shared import add_experiment, add_results, planned_experiment, results_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    add_measure(parser)
    add_executor(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: id, label, status and every setting")


def main(args: argparse.Namespace) -> int:
    """Print the plan; starts nothing but what --measure asks for."""
    experiment = planned_experiment(args)
    results = results_of(args)
    from harness.search.grid import Grid
    from harness.store import Store

    store = Store(results, experiment.name)
    show_plan(Grid(experiment, store), store, args)
    return 0
