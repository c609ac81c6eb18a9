import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

from harness.method.optimise import Step
from harness.method.results import Exhibit
from harness.runner.executors.base import Done, Failed, Stepped, Task, throttle
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from tests.runner.executors import fake

RUN = "tests.runner.executors.fake:run"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def processes():
    with Processes(RUN, threads=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def ray(cluster):
    from harness.runner.executors.ray import Ray

    with Ray(RUN, address=cluster.address, workers=1, threads=1) as executor:
        yield executor


ON_RAY = pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")])


@pytest.fixture(params=["inline", "processes", ON_RAY])
def executor(request):
    """Every test that takes this runs in this process and in workers, which are kept warm between tests."""
    return Inline(RUN) if request.param == "inline" else request.getfixturevalue(request.param)


class Views(Exhibit):
    """An exhibit without tensors."""

    def __init__(self):
        pass

    def __repr__(self):
        return "views"


def events_of(executor, trial, spec):
    seen = []
    executor.submit(Task(trial, spec, "title"))
    while not seen or isinstance(seen[-1], Stepped):
        executor.wait(seen.append, 60.0)
    return seen


def test_a_trial_streams_its_first_and_last_step_then_its_result(executor):
    *steps, done = events_of(executor, "t1", fake.spec())
    assert isinstance(done, Done)
    assert {event.id for event in [*steps, done]} == {"t1"}
    assert [event.step.step for event in steps] == [1, 4]
    assert steps[-1].step.losses == {"loss": 0.25}
    assert done.result.scores["pck@0.1"] == 0.5
    assert torch.equal(done.result.tokens["tokens"], torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]))
    assert done.environment["torch"] == torch.__version__
    assert done.environment["threads"] == (torch.get_num_threads() if isinstance(executor, Inline) else 1)


def test_an_exception_fails_the_trial_with_one_line_and_keeps_the_traceback(executor):
    failed = events_of(executor, "t2", fake.spec(raise_at=2))[-1]
    assert (failed.cause, failed.reason) == ("error", "ValueError: it went wrong")
    assert 'raise ValueError("it went\\nwrong")' in failed.traceback
    assert isinstance(events_of(executor, "t3", fake.spec())[-1], Done)


def test_a_usage_error_is_told_as_it_stands(executor):
    failed = events_of(executor, "t4", fake.spec(misuse=True))[-1]
    assert (failed.cause, failed.reason, failed.traceback) == ("usage", "fusion.fake: no such thing", "")


def test_a_cancelled_trial_ends_and_the_next_one_runs(executor):
    seen = []

    def stop_at_first_step(event):
        seen.append(event)
        executor.cancel("t5")

    executor.submit(Task("t5", fake.spec(stall_at=None if isinstance(executor, Inline) else 1)))
    while not seen or isinstance(seen[-1], Stepped):
        executor.wait(stop_at_first_step, 60.0)
    assert [type(event) for event in seen] == [Stepped, Failed]
    assert seen[-1].cause == "cancelled"
    assert isinstance(events_of(executor, "t6", fake.spec())[-1], Done)


def test_one_trial_at_a_time(executor):
    executor.submit(Task("t7", fake.spec()))
    with pytest.raises(RuntimeError, match="under way"):
        executor.submit(Task("t8", fake.spec()))
    seen = []
    while not seen or isinstance(seen[-1], Stepped):
        executor.wait(seen.append, 60.0)
    assert seen[-1].id == "t7"


def test_the_worker_is_kept_and_replaced_only_when_it_died(processes, tmp_path):
    journal = str(tmp_path / "journal")
    big = events_of(processes, "a", fake.spec(0, journal=journal, big=1))[-1]
    events_of(processes, "b", fake.spec(1, journal=journal))
    died = events_of(processes, "c", fake.spec(2, journal=journal, die_at=2))[-1]
    assert (died.cause, died.reason) == ("died", "the worker was killed by SIGKILL (perhaps out of memory)")
    assert big.result.tokens["tokens"].sum() == 3_000_000  # tensors outlive the worker that sent them
    assert isinstance(events_of(processes, "d", fake.spec(3, journal=journal))[-1], Done)
    first, second, third, fourth = (line.split()[1] for line in Path(journal).read_text().splitlines())
    assert first == second == third != fourth
    assert str(os.getpid()) not in (first, fourth)


def test_a_worker_that_leaves_is_told_with_its_exit_code(processes):
    died = events_of(processes, "e", fake.spec(exit=7))[-1]
    assert (died.cause, died.reason) == ("died", "the worker left with exit code 7")


def test_wait_returns_when_nothing_comes(processes):
    processes.submit(Task("slow", fake.spec(stall_at=1)))
    seen = []
    while not seen:
        processes.wait(seen.append, 0.1)
    assert [type(event) for event in seen] == [Stepped]
    processes.cancel("slow")
    processes.wait(seen.append, 60.0)
    assert seen[-1].cause == "cancelled"


def test_what_a_trial_prints_never_reaches_stdout_and_an_interrupt_never_reaches_the_worker(tmp_path):
    script = textwrap.dedent("""
        import os, signal, sys
        from harness.runner.executors.base import Task
        from harness.runner.executors.processes import Processes
        from tests.runner.executors import fake
        if __name__ == "__main__":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with Processes("tests.runner.executors.fake:run", threads=1) as executor:
                executor.warm()
                os.killpg(0, signal.SIGINT)
                seen = []
                executor.submit(Task("p", fake.spec(print=True)))
                while len(seen) < 3:
                    executor.wait(seen.append)
                os.killpg(0, signal.SIGINT)
                executor.submit(Task("q", fake.spec()))
                while len(seen) < 6:
                    executor.wait(seen.append)
                print(type(seen[-1]).__name__, file=sys.stderr)
    """)
    (tmp_path / "script.py").write_text(script)
    ran = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60,
                         start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ran.stdout == ""
    assert "from the library" in ran.stderr
    assert ran.stderr.splitlines()[-1] == "Done"


def test_the_workers_die_with_their_coordinator(tmp_path):
    journal = tmp_path / "journal"
    script = textwrap.dedent(f"""
        from harness.runner.executors.base import Task
        from harness.runner.executors.processes import Processes
        from tests.runner.executors import fake
        if __name__ == "__main__":
            executor = Processes("tests.runner.executors.fake:run", workers=3, threads=1)
            executor.warm()
            for seed in range(2):  # the third is idle
                executor.submit(Task(str(seed), fake.spec(seed, journal={str(journal)!r}, stall_at=0)))
            executor.wait(print)
    """)
    (tmp_path / "script.py").write_text(script)
    coordinator = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.DEVNULL,
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
    fake.until(lambda: journal.exists() and journal.read_text().count("\n") == 2)
    workers = children(coordinator.pid)
    assert {int(line.split()[1]) for line in journal.read_text().splitlines()} < workers
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.wait()
    fake.until(lambda: not any(map(lives, workers)))


def test_the_picture_is_drawn_where_the_trial_ran(monkeypatch):
    panels = ModuleType("harness.report.pictures.panels")
    panels.panel = lambda exhibit, title: f"{title}: {exhibit}".encode()
    monkeypatch.setitem(sys.modules, "harness.report.pictures.panels", panels)
    done = events_of(Inline(RUN), "t", fake.spec(changes={"exhibit": Views()}))[-1]
    assert (done.panels, done.result.exhibit, done.warnings) == ({"panel": b"title: views"}, None, ())


def test_a_picture_that_cannot_be_drawn_costs_no_result(monkeypatch):
    panels = ModuleType("harness.report.pictures.panels")
    panels.panel = lambda exhibit, title: exhibit / 2
    monkeypatch.setitem(sys.modules, "harness.report.pictures.panels", panels)
    done = events_of(Inline(RUN), "t", fake.spec(changes={"exhibit": Views()}))[-1]
    assert done.result.scores["pck@0.1"] == 0.5
    assert (done.panels, len(done.warnings)) == ({}, 1)
    assert done.warnings[0].startswith("its picture could not be drawn: TypeError: ")


def test_steps_are_thinned_but_never_the_last():
    sent = []
    report = throttle(sent.append)
    for step in range(1, 101):
        report(Step(step, 100, {}, 0.0))
    assert sent[0].step == 1
    assert sent[-1].step == 100
    assert len(sent) < 100


def test_a_step_with_a_probe_is_never_left_out():
    sent = []
    report = throttle(sent.append)
    for step in range(1, 101):
        report(Step(step, 100, {}, 0.0, {"pck_fit@0.1": 0.5} if step % 10 == 0 else {}))
    assert {step.step for step in sent} >= {1, *range(10, 101, 10)}
    assert len(sent) < 100


def children(process):
    """Return the worker processes that a process has started, without the one that multiprocessing adds."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def lives(process):
    """Return whether a process runs; one that ended but was not collected by init does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
