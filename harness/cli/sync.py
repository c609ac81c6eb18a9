"""Push records that MLflow does not have yet: after a server was down, or to another server."""

import argparse

from harness.cli._options import add_results, chosen, results_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("names", nargs="*", metavar="name", help="experiments (all that are recorded)")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Push, and print how many trials were new to MLflow; MLFLOW_TRACKING_URI says where, else the results folder."""
    results = results_of(args)
    names = chosen(results, args.names)
    from harness.store.mlflow_server import default_uri
    from harness.store.mlflow_tracker import sync
    from harness.store.store import Store
    from harness.store.urls import shown

    for name in names:
        print(f"{name}: {sync(Store(results, name))} trials pushed to {shown(default_uri(results))}")
    return 0
