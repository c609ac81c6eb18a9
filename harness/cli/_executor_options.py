"""The flags that choose where trials run, and the executor that they stand for."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec

from harness import registry
from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.runner.executors import devices
from harness.runner.executors.base import Executor
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.store.store import Store

SMALL_GB = 2  # of memory for a worker of a small model
EXECUTORS = ("processes", "inline", "ray")


def add_executor(parser: argparse.ArgumentParser) -> None:
    """Declare --executor, --workers, --threads, --devices and --address."""
    group = parser.add_argument_group("place and number of workers")
    group.add_argument("--executor", choices=EXECUTORS, default="processes",
                       help="worker processes (default), this process (for debugging) or a Ray cluster")
    group.add_argument("--workers", type=_count, metavar="N",
                       help="trials at once (one for each GPU; without, one for each core if models are small)")
    group.add_argument("--threads", type=_count, metavar="N",
                       help="CPU threads of each worker (its equal share of the cores)")
    group.add_argument("--devices", type=_devices, metavar="LIST",
                       help="GPUs of the worker processes, named as in CUDA_VISIBLE_DEVICES, or `cpu` (all GPUs)")
    group.add_argument("--address", metavar="ADDRESS",
                       help="the Ray cluster to join, HOST:PORT (this machine's, else a new one on it)")


def executor_of(args: argparse.Namespace, store: Store, trials: Sequence[TrialSpec] = (), count: int = 1
                ) -> AbstractContextManager[Executor]:
    """Return the executor of the flags; entering it starts nothing. Raises UsageError for flags that do not fit.

    Without flags and without a GPU, ``count`` trials with settings like ``trials`` run on all cores if they are small.
    """
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
    workers = args.workers or _small_workers(args, trials, count)
    processes = Processes(workers=workers, threads=args.threads, log=store.folder, devices=args.devices)
    _warn(processes.workers, args.threads)
    return processes


def _small_workers(args: argparse.Namespace, trials: Sequence[TrialSpec], count: int) -> int | None:
    """Return one worker per core for small models on the CPU, as far as memory and ``count`` reach; None otherwise.

    A small model leaves most of several threads idle.
    """
    if args.threads or not trials or (devices.gpus() if args.devices is None else args.devices):
        return None
    models = {repr(spec.model): spec.model for spec in trials}
    if not all(registry.build("models", model.name, model.knobs).is_small for model in models.values()):
        return None
    return max(1, min(devices.cores(), count, int(devices.free_gb() / SMALL_GB)))


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
