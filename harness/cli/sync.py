"""The command `sync`: pushes records to MLflow that it does not have, such as after a server was down."""

import argparse

from harness.cli._options import add_results, chosen_experiments, results_of
from harness.store import mlflow_tracker
from harness.store.mlflow_server import default_uri
from harness.store.store import Store
from harness.store.urls import hide_password


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("names", nargs="*", metavar="name", help="experiments (all that are recorded)")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Push the records and print how many were new; the target is MLFLOW_TRACKING_URI, else the results folder."""
    results = results_of(args)
    for name in chosen_experiments(results, args.names):
        pushed = mlflow_tracker.sync(Store(results, name))
        print(f"{name}: {pushed} trials pushed to {hide_password(default_uri(results))}")
    return 0
