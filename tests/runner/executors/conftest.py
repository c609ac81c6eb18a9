import time

import pytest

MEMORY = {"object_store_memory": 80 * 2**20}  # bytes, the least that Ray takes
LONGEST = 300.0  # seconds that a node may take to start


def patient(seconds=LONGEST):
    """Wait so long for a node to start: Ray itself gives up after 30 s, which is too soon where the machine is busy."""
    from ray._private import services

    ask = services.get_node

    def get_node(*given, **named):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask(*given, **named)
            except RuntimeError as error:  # the node is not there yet
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no Ray node within {seconds:g} s; see /tmp/ray/session_latest/logs") from error
                time.sleep(0.1)

    services.get_node = get_node


@pytest.fixture(scope="session")
def cluster():
    """A Ray cluster on this machine: a head without CPUs, on which no trial runs, and two nodes of one CPU each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    patient()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **MEMORY})
    for _ in range(2):
        cluster.add_node(num_cpus=1, **MEMORY)
    yield cluster
    cluster.shutdown()
