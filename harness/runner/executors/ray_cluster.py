"""The connection to a Ray cluster, and the number and size of the workers that fit on it."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping

from harness.errors import UsageError

ANSWER = 10.0  # seconds that a cluster gets to answer
Resources = Mapping[str, float]  # of one node: GPU, CPU, ...


def connect(address: str | None) -> bool:
    """Connect this process to the cluster; return False if it is already connected.

    Raises UsageError if no cluster answers. Ray's handler of SIGTERM is removed. Its reports on dead workers and nodes
    are not printed: they would go to stdout, and the trials' records contain them.
    """
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # read when Ray is imported
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return False
    target = address or os.environ.get("RAY_ADDRESS", "auto")
    if target not in ("auto", "local"):
        check_reachable(target)
    with _sigterm_handler_kept():
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"--address {target}: {reason} (with RAY_AUTH_MODE=token if it asks for one)") from error
        except Exception as error:  # Ray raises a bare Exception if a local node has not started within 30 s
            raise UsageError(f"--executor ray: Ray does not start here: {str(error).partition('. ')[0]}") from error
    return True


def nodes() -> dict[str, Resources]:
    """Return the resources of each living node, by its id."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def worker_needs(nodes: Mapping[str, Resources], workers: int | None, threads: int | None) -> dict[str, int]:
    """Return the resources of one worker: a GPU if the cluster has any, with ``threads`` CPUs if given; else CPUs.

    Without ``threads`` it is one CPU, or the largest number with which all ``workers`` fit on the nodes.
    """
    if any(node.get("GPU", 0) >= 1 for node in nodes.values()):
        return {"GPU": 1, "CPU": threads or 0}
    fair = int(sum(node.get("CPU", 0) for node in nodes.values())) // workers if workers else 1
    fits = (cpus for cpus in range(fair, 1, -1) if count_workers(nodes, {"CPU": cpus}) >= (workers or 1))
    return {"CPU": threads or next(fits, 1)}


def threads_per_worker(nodes: Mapping[str, Resources], needs: Mapping[str, int]) -> int:
    """Return a worker's threads: its CPUs, or if it takes only a GPU, the smallest number of CPUs per GPU."""
    if needs["CPU"]:
        return needs["CPU"]
    return max(1, min(int(node.get("CPU", 0) // node["GPU"]) for node in nodes.values() if node.get("GPU", 0) >= 1))


def count_workers(nodes: Mapping[str, Resources], needs: Mapping[str, int]) -> int:
    """Return the number of workers that fit on the nodes."""
    return sum(min(int(node.get(resource, 0) // amount) for resource, amount in needs.items() if amount)
               for node in nodes.values())


def check_reachable(address: str) -> None:
    """Raise UsageError if nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UsageError(f"--address {address}: is neither `auto` nor HOST:PORT of a node where `ray start --head` ran")
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"--address {address}: no Ray cluster answers there: {error}") from error


@contextlib.contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
