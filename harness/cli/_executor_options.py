"""The flags that choose where trials run, and the executor that they stand for."""

import argparse
import sys
from contextlib import AbstractContextManager
from importlib.util import find_spec

from harness.errors import UsageError
from harness.runner.executors import devices
from harness.runner.executors.base import Executor
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.store.store import Store

EXECUTORS = ("processes", "inline", "ray")


def add_executor(parser: argparse.ArgumentParser) -> None:
    """Declare --executor, --workers, --threads, --devices and --address."""
    group = parser.add_argument_group("place and number of workers")
    group.add_argument("--executor", choices=EXECUTORS, default="processes",
                       help="worker processes (default), this process (for debugging) or a Ray cluster")
    group.add_argument("--workers", type=_count, metavar="N",
                       help="trials at once (one for each GPU; one without a GPU)")
    group.add_argument("--threads", type=_count, metavar="N",
                       help="CPU threads of each worker (its equal share of the cores)")
    group.add_argument("--devices", type=_devices, metavar="LIST",
                       help="GPUs of the worker processes, named as in CUDA_VISIBLE_DEVICES, or `cpu` (all GPUs)")
    group.add_argument("--address", metavar="ADDRESS",
                       help="the Ray cluster to join, HOST:PORT (this machine's, else a new one on it)")


def executor_of(args: argparse.Namespace, store: Store) -> AbstractContextManager[Executor]:
    """Return the executor of the flags; entering it starts nothing. Raises UsageError for flags that do not fit."""
    if args.address is not None and args.executor != "ray":
        raise UsageError(f"--address: {args.executor} joins no cluster; it goes with --executor ray")
    if args.devices is not None and args.executor != "processes":
        raise UsageError(f"--devices: {args.executor} takes none; it goes with --executor processes")
    if args.executor == "ray":
        return _ray(args)
    if args.executor == "inline":
        if args.workers not in (None, 1):
            raise UsageError(f"--workers: {args.workers} is out of range; inline runs one trial at a time")
        return Inline(threads=args.threads)
    processes = Processes(workers=args.workers, threads=args.threads, log=store.folder, devices=args.devices)
    _warn(processes.workers, args.threads)
    return processes


def _ray(args: argparse.Namespace) -> AbstractContextManager[Executor]:
    if find_spec("ray") is None:
        raise UsageError("--executor ray: the package ray is not installed; pip install -e '.[ray]'")
    from harness.runner.executors.ray import Ray

    return Ray(address=args.address, workers=args.workers, threads=args.threads)


def _warn(workers: int, threads: int | None) -> None:
    """Warn if the workers have more threads than this machine has cores."""
    per_worker, cores = threads or devices.threads_per_worker(workers) or 1, devices.cores()
    if workers * per_worker > cores:
        print(f"warning: {workers} x {per_worker} threads on {cores} cores; trials slow each other down",
              file=sys.stderr)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected a whole number, 1 or more")
    return int(text)


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if names == ("cpu",):
        return ()
    if any(not name or name == "cpu" for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected GPUs such as 0,1, or cpu")
    return names
