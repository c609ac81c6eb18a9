import pytest

MEMORY = {"object_store_memory": 80 * 2**20}  # bytes, the least that Ray takes


@pytest.fixture(scope="session")
def cluster():
    """A Ray cluster on this machine: a head without CPUs, on which no trial runs, and two nodes of one CPU each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **MEMORY})
    for _ in range(2):
        cluster.add_node(num_cpus=1, **MEMORY)
    yield cluster
    cluster.shutdown()
