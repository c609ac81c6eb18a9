"""A Ray cluster: joining it, and how many workers of which size it has room for."""

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


def join(address: str | None) -> bool:
    """Connect this process to the cluster unless it is connected already; return whether it was done here.

    Raises UsageError where no cluster answers. Ray's handler of SIGTERM is not kept, and its reports on workers and
    nodes that died are not printed: they would go to stdout, and the trials' records tell them.
    """
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # read when Ray is imported
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return False
    named = address or os.environ.get("RAY_ADDRESS", "auto")
    if named not in ("auto", "local"):
        knock(named)
    with _own_sigterm():
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"--address {named}: {reason} (with RAY_AUTH_MODE=token if it asks for one)") from error
        except Exception as error:  # a bare one, where a node of its own is not up within 30 s
            raise UsageError(f"--executor ray: Ray does not start here: {str(error).partition('. ')[0]}") from error
    return True


def nodes() -> dict[str, Resources]:
    """Return what each living node has, by its id."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def needs(nodes: Mapping[str, Resources], workers: int | None, threads: int | None) -> dict[str, int]:
    """Return what one worker takes: a GPU where there are any, with the CPUs that were asked for; else CPUs.

    Not told how many CPUs, it is one, or the most with which the asked number of workers fits.
    """
    if any(node.get("GPU", 0) >= 1 for node in nodes.values()):
        return {"GPU": 1, "CPU": threads or 0}
    fair = int(sum(node.get("CPU", 0) for node in nodes.values())) // workers if workers else 1
    fits = (cpus for cpus in range(fair, 1, -1) if room(nodes, {"CPU": cpus}) >= (workers or 1))
    return {"CPU": threads or next(fits, 1)}


def share(nodes: Mapping[str, Resources], needs: Mapping[str, int]) -> int:
    """Return a worker's threads: its CPUs, or where it takes a GPU alone, its share of the CPUs of any node."""
    if needs["CPU"]:
        return needs["CPU"]
    return max(1, min(int(node.get("CPU", 0) // node["GPU"]) for node in nodes.values() if node.get("GPU", 0) >= 1))


def room(nodes: Mapping[str, Resources], needs: Mapping[str, int]) -> int:
    """Return how many workers fit on the nodes."""
    return sum(min(int(node.get(what, 0) // much) for what, much in needs.items() if much) for node in nodes.values())


def knock(address: str) -> None:
    """Raise UsageError where nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UsageError(f"--address {address}: is neither `auto` nor HOST:PORT of a node where `ray start --head` ran")
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"--address {address}: no Ray cluster answers there: {error}") from error


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
