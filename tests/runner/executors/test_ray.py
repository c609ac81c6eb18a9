"""Trials on a real Ray cluster of several nodes, all of them on this machine."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from harness import user_cache
from harness.config.spec import Experiment, ReportSpec
from harness.errors import UsageError
from harness.runner.coordinator import Policy, Progress, run_trials
from harness.runner.executors import worker_handle
from harness.runner.executors.base import Done, Stepped
from harness.search.grid import Grid
from harness.store.store import Store
from tests.runner.executors import fake
from tests.runner.executors.conftest import MEMORY
from tests.runner.executors.fake import events, submit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
pytest.importorskip("ray")

from harness.runner.executors.ray import Ray  # noqa: E402

RUN = "tests.runner.executors.fake:run"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def duo(cluster):
    """Workers on both nodes."""
    with Ray(RUN, address=cluster.address) as executor:
        until(lambda: executor.workers == 2)
        yield executor


def until(condition):
    """Wait until the condition holds; nodes take long to start where the machine is busy."""
    fake.until(condition, 240.0)


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
        until(lambda: executor.workers == 2)
        submit(executor, *(fake.spec(seed, tell=True, meet=str(tmp_path), of=2) for seed in range(2)))
        ends = events(executor, 2)
    cluster.remove_node(node)
    assert {end.reason for end in ends} == {f"gpus={gpu} threads=3 torch=False" for gpu in range(2)}
    assert {end.environment["node"].rpartition("/")[2] for end in ends} == {"0", "1"}


def test_a_cancelled_trial_stops_at_its_next_step_and_its_worker_stays(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_handle, "GRACE", 60.0)
    journal, seen = tmp_path / "journal", []

    def stop(event):
        seen.append(event)
        executor.cancel(event.id)

    with Ray(RUN, address=cluster.address, workers=1) as executor:
        submit(executor, replace(fake.spec(0, journal=str(journal), pace=0.05), steps=1000))
        while not seen or isinstance(seen[-1], Stepped):
            executor.wait(stop)
        submit(executor, fake.spec(0, journal=str(journal)))  # the same one again
        assert isinstance(events(executor)[-1], Done)
    assert (seen[-1].cause, seen[-1].reason) == ("cancelled", "stopped")
    assert len(seen) < 100
    first, second = (line.split()[1] for line in journal.read_text().splitlines())
    assert first == second


def test_a_sweep_outlives_a_node_and_finishes_every_trial_once(cluster, tmp_path):
    journal, store, lost = tmp_path / "journal", Store(tmp_path / "results", "sweep"), []
    asked = {"journal": str(journal)}
    specs = [fake.spec(0, **asked), fake.spec(1, **asked, die_at=2, times=1), fake.spec(2, **asked, pace=2.0),
             *(fake.spec(seed, **asked) for seed in range(3, 12))]

    class Killer(Progress):
        def step(self, trial, step, worker):
            if trial.spec.seed == 2 and not lost:
                lost.append(worker)
                cluster.remove_node(node_of(cluster, worker), allow_graceful=False)
                cluster.add_node(num_cpus=1, **MEMORY)

    with Ray(RUN, address=cluster.address) as executor:
        until(lambda: executor.workers == 2)
        source = Grid(Experiment("sweep", tuple(specs), (), (0,), ReportSpec(), ""), store, fake.fingerprints)
        summary = run_trials(source, store, executor, policy=Policy(retries=1), progress=Killer())
        assert executor.workers == 2
    assert (summary.planned, summary.done, summary.failed, summary.left) == (12, 12, 0, 0)
    records = {record["spec"]["seed"]: record for record in store.records()}
    assert len(store.records()) == 12
    assert {record["status"] for record in records.values()} == {"finished"}
    tried = {seed: [attempt["cause"] for attempt in record["attempts"]] for seed, record in records.items()}
    assert tried == {seed: ["died"] if seed in (1, 2) else [] for seed in range(12)}
    assert records[2]["attempts"][0]["reason"] == "the worker is out of reach: its node died, or the network did"
    assert sorted(int(line.split()[0]) for line in journal.read_text().splitlines()) == sorted([*range(12), 1, 2])
    assert lost[0] not in {records[2]["environment"]["node"], ""}


def node_of(cluster, worker):
    """Return the node on which a worker's process runs: that of its parent."""
    parent = int(Path("/proc", worker.rpartition("/")[2], "stat").read_text().rpartition(")")[2].split()[1])
    return next(node for node in cluster.worker_nodes if node.all_processes["raylet"][0].process.pid == parent)


def test_a_node_with_other_code_runs_nothing(cluster, monkeypatch):
    monkeypatch.setattr(user_cache, "code_hash", lambda: "changed since")
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
        from harness.runner.executors.base import Stepped, Task
        from harness.runner.executors.ray import Ray
        from tests.runner.executors import fake
        from tests.runner.executors.conftest import patient
        os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = ".*"  # as the executor sets it before it imports Ray
        patient()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, handler := lambda number, frame: None)
        with Ray("tests.runner.executors.fake:run", workers=1) as executor:
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
    alone = {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local", "HOME": str(tmp_path)}  # Ray keeps a token at home
    ran = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=300,
                         start_new_session=True, env={**os.environ, **alone})
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert ran.stderr.splitlines()[-1] == "Done Failed Done"


def test_the_workers_die_with_their_coordinator(cluster, tmp_path):
    journal = tmp_path / "journal"
    script = textwrap.dedent(f"""
        from harness.runner.executors.base import Task
        from harness.runner.executors.ray import Ray
        from tests.runner.executors import fake
        executor = Ray("tests.runner.executors.fake:run", address={cluster.address!r}, workers=1)
        executor.submit(Task("p", fake.spec(journal={str(journal)!r}, stall_at=0)))
        executor.wait(print)
    """)
    (tmp_path / "script.py").write_text(script)
    coordinator = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.DEVNULL,
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
    until(lambda: journal.exists() and journal.read_text().endswith("\n"))
    worker = Path("/proc", journal.read_text().split()[1])
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.wait()
    until(lambda: not worker.exists())
