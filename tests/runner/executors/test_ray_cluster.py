"""How many workers of which size a Ray cluster has room for, and addresses where there is none."""

import socket

import pytest

from harness.errors import UsageError
from harness.runner.executors import ray_cluster

HEAD = {"CPU": 2.0}
GPUS = {"CPU": 12.0, "GPU": 4.0}
LARGE, SMALL = {"CPU": 8.0}, {"CPU": 3.0}


@pytest.mark.parametrize(("nodes", "workers", "threads", "needs", "share", "room"), [
    ([HEAD, GPUS, GPUS], None, None, {"GPU": 1, "CPU": 0}, 3, 8),
    ([HEAD, GPUS], 2, 4, {"GPU": 1, "CPU": 4}, 4, 3),  # GPUs for four, CPUs for three
    ([{"CPU": 2.0, "GPU": 4.0}], None, None, {"GPU": 1, "CPU": 0}, 1, 4),
    ([LARGE, SMALL], None, None, {"CPU": 1}, 1, 11),
    ([LARGE, SMALL], None, 3, {"CPU": 3}, 3, 3),
    ([LARGE, SMALL], 2, None, {"CPU": 4}, 4, 2),  # 5 each would fit on the large one alone
    ([LARGE, SMALL], 20, None, {"CPU": 1}, 1, 11),
    ([LARGE, SMALL], None, 9, {"CPU": 9}, 9, 0),
])
def test_a_worker_takes_a_gpu_or_its_share_of_the_cpus(nodes, workers, threads, needs, share, room):
    named = {str(number): node for number, node in enumerate(nodes)}
    assert ray_cluster.worker_needs(named, workers, threads) == needs
    assert ray_cluster.threads_per_worker(named, needs) == share
    assert ray_cluster.count_workers(named, needs) == room


@pytest.mark.parametrize("address", ["cluster", "cluster:port", ":6379", "ray://cluster:10001", "http://cluster:8265"])
def test_what_is_no_address_is_refused_by_name(address):
    with pytest.raises(UsageError, match="neither `auto` nor HOST:PORT") as refused:
        ray_cluster.check_reachable(address)
    assert address in str(refused.value)


def test_an_address_where_nothing_listens_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"--address {address}: no Ray cluster answers there: .*refused"):
            ray_cluster.check_reachable(address)
    with pytest.raises(UsageError, match="no Ray cluster answers there"):
        ray_cluster.check_reachable("127.0.0.1:99999")
