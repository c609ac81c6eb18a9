"""The command `app`: opens a page on which tokens look at scenes and at one's own photographs."""

import argparse
import importlib.util
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from harness.cli._options import add_results, demand_no_file, results_of
from harness.cli._ports import HOST, demand_free, demand_in_range, free_port
from harness.errors import OK, TERMINATED, UsageError

# Gradio reads them when it is imported: no usage statistics, no question for its newest version.
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "DO_NOT_TRACK": "true", "HF_HUB_DISABLE_TELEMETRY": "1"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add_results(parser)
    parser.add_argument("--port", type=int, help="port of the local server (a free one)")
    parser.add_argument("--output", type=Path, default=Path("looks"), metavar="DIR",
                        help="folder into which Save writes (looks/)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def main(args: argparse.Namespace) -> int:
    """Serve the page on this machine alone, until interrupted."""
    if importlib.util.find_spec("gradio") is None:
        raise UsageError("the app needs Gradio: pip install -e '.[app]'")
    results = results_of(args)
    demand_no_file(args.output, "--output")
    if args.port is not None:
        demand_in_range(args.port)
        demand_free(args.port, "harness app")
    return _serve(results, args.output, args.port or free_port(), opens=args.open)


def _serve(results: Path, output: Path, port: int, *, opens: bool) -> int:
    """Serve the page until interrupted; uploads lie in a folder that is gone then."""
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _end)
    with tempfile.TemporaryDirectory(prefix="harness-app-") as uploads:
        os.environ.update(QUIET | {"GRADIO_TEMP_DIR": uploads})
        from harness.app.page import serve

        page = serve(results, output, port, opens=opens)
        print(f"http://{HOST}:{port}", flush=True)
        print("Ctrl-C stops it", file=sys.stderr, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return OK
        finally:
            page.close(verbose=False)
    return OK


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
