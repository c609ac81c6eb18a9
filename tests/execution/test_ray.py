"""Trials on a real Ray cluster of several nodes, all of them on this machine."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness import environment
from harness.execution._base import Done, Failed, Stepped, Task
from harness.plugins import UsageError
from tests.execution import fake
from tests.execution.conftest import MEMORY

pytestmark = pytest.mark.slow
pytest.importorskip("ray")

from harness.execution.ray import Ray  # noqa: E402

RUN = "tests.execution.fake:run"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def duo(cluster):
    """Workers on both nodes."""
    with Ray(RUN, address=cluster.address) as executor:
        fake.until(lambda: executor.workers == 2)
        yield executor


def submit(executor, *specs):
    """Submit specs; a trial's id is its seed."""
    for spec in specs:
        executor.submit(Task(str(spec.seed), spec))


def events(executor, ends=1):
    """Return what comes until so many trials have ended."""
    seen = []
    while sum(not isinstance(event, Stepped) for event in seen) < ends:
        executor.wait(seen.append, 60.0)
    return seen


def test_every_node_runs_a_trial_and_the_record_says_which_one_did(duo, tmp_path):
    submit(duo, *(fake.spec(seed, meet=str(tmp_path), of=2, big=13) for seed in range(2)))  # 52 MB each
    with pytest.raises(RuntimeError, match=r"\(2\) are under way"):
        submit(duo, fake.spec(3))
    seen = events(duo, 2)
    steps = {event.id: event.worker for event in seen if isinstance(event, Stepped)}
    ends = {event.id: event for event in seen if isinstance(event, Done)}
    assert {trial: end.environment["node"] for trial, end in ends.items()} == steps
    assert len(set(steps.values())) == 2
    assert [ends[trial].result.tokens["tokens"].sum() for trial in "01"] == [39_000_000] * 2


def test_a_worker_is_kept_warm_and_one_that_died_is_replaced(cluster, tmp_path):
    journal = tmp_path / "journal"
    with Ray(RUN, address=cluster.address, workers=1) as executor:
        submit(executor, fake.spec(0, journal=str(journal)))
        events(executor)
        assert executor.workers == 1
        submit(executor, fake.spec(1, journal=str(journal), die_at=2))
        died = events(executor)[-1]
        submit(executor, fake.spec(2, journal=str(journal)))
        assert isinstance(events(executor)[-1], Done)
    first, second, third = (line.split()[1] for line in journal.read_text().splitlines())
    assert first == second != third
    assert (died.cause, died.environment["node"].rpartition("/")[2]) == ("died", first)
    assert died.reason.startswith("the worker died: ")
    assert "\n" not in died.reason


def test_a_worker_that_ran_out_of_memory_is_replaced(cluster, tmp_path):
    journal = tmp_path / "journal"
    with Ray(RUN, address=cluster.address, workers=1) as executor:
        submit(executor, fake.spec(0, journal=str(journal), memory=True))
        assert events(executor)[-1].cause == "memory"
        submit(executor, fake.spec(1, journal=str(journal), misuse=True))
        assert events(executor)[-1].cause == "usage"
        submit(executor, fake.spec(2, journal=str(journal), misuse=True))
        assert events(executor)[-1].cause == "usage"
    first, second, third = (line.split()[1] for line in journal.read_text().splitlines())
    assert first != second == third


def test_a_worker_takes_a_gpu_where_there_are_any(cluster, tmp_path):
    node = cluster.add_node(num_cpus=6, num_gpus=2, **MEMORY)
    with Ray(RUN, address=cluster.address) as executor:
        fake.until(lambda: executor.workers == 2)
        submit(executor, *(fake.spec(seed, tell=True, meet=str(tmp_path), of=2) for seed in range(2)))
        ends = events(executor, 2)
    cluster.remove_node(node)
    assert {end.reason for end in ends} == {f"gpus={gpu} threads=3 torch=False" for gpu in range(2)}
    assert {end.environment["node"].rpartition("/")[2] for end in ends} == {"0", "1"}


def test_a_lost_node_costs_a_try_and_a_new_node_gets_a_worker(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, resources={"lost": 1}, **MEMORY)
    with Ray(RUN, address=cluster.address) as executor:
        fake.until(lambda: executor.workers == 3)
        submit(executor, *(fake.spec(seed, meet=str(tmp_path), of=3, **{"await": str(tmp_path / "go")})
                           for seed in range(3)))
        fake.until(lambda: len(list(tmp_path.glob("here-*"))) == 3)
        cluster.remove_node(node, allow_graceful=False)
        lost = events(executor)[-1]
        assert isinstance(lost, Failed)
        assert lost.cause == "died"
        assert lost.reason == "the worker is out of reach: its node died, or the network did"
        fake.until(lambda: executor.workers == 2)
        (tmp_path / "go").touch()
        assert all(isinstance(end, Done) for end in events(executor, 2) if not isinstance(end, Stepped))
        other = cluster.add_node(num_cpus=1, **MEMORY)
        fake.until(lambda: executor.workers == 3)
        submit(executor, fake.spec(int(lost.id)))
        assert isinstance(events(executor)[-1], Done)
    cluster.remove_node(other)


def test_a_node_with_other_code_runs_nothing(cluster, monkeypatch):
    monkeypatch.setattr(environment, "code", lambda: "changed since")
    with Ray(RUN, address=cluster.address, workers=1) as executor:
        submit(executor, fake.spec())
        failed = events(executor)[-1]
    assert failed.cause == "died"
    assert failed.reason.endswith("has other code than the coordinator; install the same everywhere")


def test_a_worker_that_no_node_has_room_for_is_refused(cluster):
    with pytest.raises(UsageError, match="no node of the cluster has 3 CPU for a worker"):
        Ray(RUN, address=cluster.address, threads=3)


def test_nothing_reaches_stdout_and_an_interrupt_reaches_no_worker(tmp_path):
    script = textwrap.dedent("""
        import os, signal, sys
        from harness.execution._base import Stepped, Task
        from harness.execution.ray import Ray
        from tests.execution import fake
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, handler := lambda number, frame: None)
        with Ray("tests.execution.fake:run", workers=1) as executor:
            assert signal.getsignal(signal.SIGTERM) is handler
            def ends(**asked):
                seen = []
                executor.submit(Task("t", fake.spec(print=True, **asked)))
                while not seen or isinstance(seen[-1], Stepped):
                    executor.wait(seen.append)
                return seen[-1]
            ended = [ends(), ends(die_at=2)]
            os.killpg(0, signal.SIGINT)
            ended += [ends()]
        print(*(type(end).__name__ for end in ended), file=sys.stderr)
    """)
    (tmp_path / "script.py").write_text(script)
    ran = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=120,
                         start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local"})
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.splitlines()[-1] == "Done Failed Done"


def test_the_workers_die_with_their_coordinator(cluster, tmp_path):
    journal = tmp_path / "journal"
    script = textwrap.dedent(f"""
        from harness.execution._base import Task
        from harness.execution.ray import Ray
        from tests.execution import fake
        executor = Ray("tests.execution.fake:run", address={cluster.address!r}, workers=1)
        executor.submit(Task("p", fake.spec(journal={str(journal)!r}, stall_at=0)))
        executor.wait(print)
    """)
    (tmp_path / "script.py").write_text(script)
    coordinator = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.DEVNULL,
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
    fake.until(lambda: journal.exists() and journal.read_text().endswith("\n"))
    worker = Path("/proc", journal.read_text().split()[1])
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.wait()
    fake.until(lambda: not worker.exists())
