"""The command `ui`: opens MLflow on the recorded experiments."""

import argparse
import errno
import os
import shlex
import socket
import sys

from harness.cli._options import add_results, results_of
from harness.errors import UsageError
from harness.store.mlflow_server import default_uri
from harness.store.urls import hide_password

HOST = "127.0.0.1"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_results(parser)
    parser.add_argument("--port", type=int, default=5000, help="port of the local server (5000)")


def main(args: argparse.Namespace) -> int:
    """Serve MLflow's pages until interrupted; with MLFLOW_TRACKING_URI set to a server, print its address only."""
    if not 1 <= args.port <= 65535:
        raise UsageError(f"--port: {args.port} is out of range; expected 1 to 65535")
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri and not uri.startswith("sqlite:"):
        print(f"MLFLOW_TRACKING_URI is set: the runs are at {hide_password(uri)}")
        return 0
    results = results_of(args)
    if not uri and not (results / "mlflow.db").is_file():
        raise UsageError(f"{results / 'mlflow.db'}: nothing was recorded there yet; `harness run fusion` records")
    _demand_free(args.port)
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(args.port),
               "--backend-store-uri", default_uri(results),
               "--default-artifact-root", str((results / "artifacts").absolute())]
    lines = [f"http://127.0.0.1:{args.port} (Ctrl-C stops it)"]
    for study in sorted(results.glob("*/study.db")):
        address = shlex.quote(f"sqlite:///{study.absolute()}")
        lines.append(f"the search {study.parent.name}: optuna-dashboard {address}")
    print("\n".join(lines), file=sys.stderr, flush=True)
    # The server replaces this process, so that any signal stops it; its job runner, which would idle, is disabled.
    os.execve(sys.executable, command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


def _demand_free(port: int) -> None:
    """Raise UsageError, with a port that is free, if another program listens on this one."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            tried.bind((HOST, port))
        except OSError as error:
            with socket.socket() as other:
                other.bind((HOST, 0))
                free = other.getsockname()[1]
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
            raise UsageError(f"--port: {port} {reason}; `harness ui --port {free}` takes a free one") from None
