"""The command `ui`: opens MLflow on the recorded experiments."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from harness.cli._options import add_results, results_of
from harness.cli._ports import HOST, demand_free, demand_in_range
from harness.errors import OK, TERMINATED, UsageError
from harness.store.mlflow_links import experiment_pages
from harness.store.mlflow_server import default_uri
from harness.store.urls import hide_password

# Browsers send every name under .localhost to this machine. On this one MLflow does not open its assistant by itself,
# as it does on 127.0.0.1 and localhost; Safari asks the system, which may have no such name.
SHOWN_HOST = HOST if sys.platform == "darwin" else "mlflow.localhost"
START_SECONDS = 300.0  # MLflow imports for 10 to 60 s; the first start of a new version also converts the database
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_results(parser)
    parser.add_argument("--port", type=int, default=5000, help="port of the local server (5000)")
    parser.add_argument("--open", action="store_true", help="open the experiment that ran last in a browser")


def main(args: argparse.Namespace) -> int:
    """Serve MLflow's pages until interrupted; with MLFLOW_TRACKING_URI set to a server, print its pages only."""
    demand_in_range(args.port)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    results = results_of(args)
    if uri and not uri.startswith("sqlite:"):
        print(f"MLFLOW_TRACKING_URI is set: the runs are at {hide_password(uri)}", flush=True)
        pages: Mapping[str, str] = {}
        if uri.startswith(("http:", "https:")):
            with suppress(OSError, ValueError):  # it may be down, or ask for a login that the browser has
                pages = experiment_pages(uri, hide_password(uri))
        _show(pages, results, opens=args.open)
        return OK
    if not uri and not (results / "mlflow.db").is_file():
        raise UsageError(f"{results / 'mlflow.db'}: nothing was recorded there yet; `harness run fusion` records")
    demand_free(args.port, "harness ui")
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(args.port), "--workers", "1",
               "--backend-store-uri", default_uri(results),
               "--default-artifact-root", str((results / "artifacts").absolute())]
    return _serve(command, args.port, results, opens=args.open)


def _serve(command: list[str], port: int, results: Path, *, opens: bool) -> int:
    """Run the server until it ends or a signal stops it; show its pages as soon as it answers."""
    print(f"http://{HOST}:{port} (Ctrl-C stops it)", file=sys.stderr, flush=True)
    for study in sorted(results.glob("*/study.db")):
        address = shlex.quote(f"sqlite:///{study.absolute()}")
        print(f"the search {study.parent.name}: optuna-dashboard {address}", file=sys.stderr, flush=True)
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _end)
    # A group of its own, since the server has processes below it. Its messages go to stderr, the pages to stdout.
    server = subprocess.Popen(command, env=_environment(port), stdout=2, start_new_session=True)
    try:
        _wait_until_it_answers(server, port)
        _show(experiment_pages(f"http://{HOST}:{port}", f"http://{SHOWN_HOST}:{port}"), results, opens=opens)
        return OK if server.wait() == 0 else 1
    except KeyboardInterrupt:
        return OK
    finally:
        _stop(server)


def _environment(port: int) -> dict[str, str]:
    """Return the server's environment: no telemetry, no job runner, no log of requests, and the name of SHOWN_HOST."""
    hosts = [os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS"), f"localhost:*,{HOST}:*,localhost,{HOST},{SHOWN_HOST}:*"]
    origins = [os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"), f"http://{SHOWN_HOST}:{port}"]
    return {"UVICORN_LOG_LEVEL": "warning", "PYTHONWARNINGS": "ignore", **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(filter(None, hosts)),
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(filter(None, origins))}


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    """Return when the server answers; raise UsageError if it ends before, or never does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UsageError(f"MLflow ended with exit code {server.returncode} before it served a page; its messages "
                             f"are above")
        with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5.0):
            return
        time.sleep(POLL_SECONDS)
    raise UsageError(f"MLflow did not answer on port {port} within {START_SECONDS:.0f} s")


def _show(pages: Mapping[str, str], results: Path, *, opens: bool) -> None:
    """Print one page per experiment on stdout, and open the one that ran last."""
    width = max(map(len, pages), default=0)
    for name, page in pages.items():
        print(f"{name:<{width}}  {page}", flush=True)
    if opens and pages:
        webbrowser.open(pages[max(pages, key=lambda name: _last_change(results / name))])


def _last_change(folder: Path) -> float:
    """Return when an experiment's coordinator last wrote its heartbeat, 0 if it did not."""
    try:
        return (folder / "heartbeat.json").stat().st_mtime
    except OSError:
        return 0.0


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server and the processes below it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
