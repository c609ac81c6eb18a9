"""Show an experiment's trials: their ids, what tells them apart, and what is already done. Starts nothing."""

import argparse

from harness.commands._shared import add_experiment, add_results, planned_experiment, results_of, show_plan


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_experiment(parser)
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: id, label, status and every setting")


def main(args: argparse.Namespace) -> int:
    """Print the plan."""
    experiment = planned_experiment(args)
    results = results_of(args)
    from harness.search.grid import Grid
    from harness.store import Store

    show_plan(Grid(experiment, Store(results, experiment.name)), as_json=args.json)
    return 0
