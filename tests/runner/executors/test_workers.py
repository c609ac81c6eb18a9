"""Several worker processes at once."""

import errno
import gc
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.config.spec import Choice
from harness.errors import UsageError
from harness.runner.executors import worker_handle
from harness.runner.executors.base import Done, Failed, Stepped, Task, must_exit, run_task
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from tests.runner.executors import fake
from tests.runner.executors.fake import events, submit

RUN = "tests.runner.executors.fake:run"


@pytest.fixture(scope="module")
def trio():
    with Processes(RUN, workers=3, threads=1) as executor:
        yield executor


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


def ends(executor, count=1):
    """Return how so many trials ended, by id."""
    ended = {event.id: event for event in events(executor, count) if not isinstance(event, Stepped)}
    assert len(ended) == count, "a trial ended twice"
    return ended


def pids(journal):
    """Return the process in which each seed ran last."""
    return {line.split()[0]: int(line.split()[1]) for line in journal.read_text().splitlines()}


def test_as_many_trials_as_workers_run_at_once_and_steps_name_their_worker(trio, tmp_path):
    submit(trio, *(fake.spec(seed, meet=str(tmp_path), of=3) for seed in range(3)))
    with pytest.raises(RuntimeError, match=r"\(3\) are under way"):
        submit(trio, fake.spec(3))
    seen = []
    while sum(isinstance(event, Done) for event in seen) < 3:
        trio.wait(seen.append, 60.0)
    workers = {(event.id, event.worker) for event in seen if isinstance(event, Stepped)}
    assert workers == {("0", "worker-0"), ("1", "worker-1"), ("2", "worker-2")}
    assert {event.id: event.result.scores["pck@0.1"] for event in seen if isinstance(event, Done)} == {
        "0": 0.5, "1": 1.5, "2": 2.5}


def test_large_results_that_come_at_once_all_arrive(trio, tmp_path):
    submit(trio, *(fake.spec(seed, meet=str(tmp_path), of=3, big=13) for seed in range(3)))  # 52 MB each
    time.sleep(0.2)  # nobody reads; the pipes are full when `wait` comes
    assert [end.result.tokens["tokens"].sum() for end in ends(trio, 3).values()] == [39_000_000] * 3


def test_a_trial_goes_to_the_worker_that_holds_its_model_and_data(tmp_path):
    def on(model, seed, **asked):
        return replace(fake.spec(seed, journal=str(tmp_path / "journal"), tell=True, **asked), model=Choice(model))

    with Processes(RUN, workers=2) as executor:
        submit(executor, on("a", 0, meet=str(tmp_path), of=2), on("b", 1, meet=str(tmp_path), of=2))
        ends(executor, 2)
        submit(executor, on("b", 2), on("a", 3))
        ends(executor, 2)
        submit(executor, on("b", 4))
        ends(executor)
        submit(executor, on("c", 5))  # held by none
        ends(executor)
        submit(executor, on("b", 6), on("c", 7))
        ends(executor, 2)
    where = pids(tmp_path / "journal")
    assert where["0"] == where["3"] != where["1"]
    assert where["1"] == where["2"] == where["4"]
    assert where["5"] == where["7"] != where["6"]


def test_a_fresh_worker_is_taken_before_one_that_holds_something_else(tmp_path):
    def on(model, seed):
        return replace(fake.spec(seed, journal=str(tmp_path / "journal"), tell=True), model=Choice(model))

    with Processes(RUN, workers=2) as executor:
        for seed, model in enumerate("abab"):
            submit(executor, on(model, seed))
            ends(executor)
    where = pids(tmp_path / "journal")
    assert where["0"] == where["2"] != where["1"] == where["3"]


def test_cancel_and_death_touch_one_worker_only(trio, tmp_path, journal):
    asked = {"journal": str(journal), "await": str(tmp_path / "go")}
    submit(trio, *(fake.spec(seed, **asked) for seed in range(3)))
    fake.until(lambda: journal.exists() and journal.read_text().count("\n") == 3)
    before = pids(journal)
    trio.cancel("1")
    os.kill(before["2"], signal.SIGTERM)
    ended = ends(trio, 2)
    assert {trial: (end.cause, end.reason) for trial, end in ended.items()} == {
        "1": ("cancelled", "stopped"), "2": ("died", "the worker was killed by SIGTERM")}
    (tmp_path / "go").touch()
    assert isinstance(ends(trio)["0"], Done)
    submit(trio, *(fake.spec(seed, journal=str(journal), meet=str(tmp_path), of=3, tell=True) for seed in range(3)))
    ends(trio, 3)
    after = set(pids(journal).values())
    assert after & set(before.values()) == {before["0"]}
    assert len(after) == 3


def test_a_cancelled_trial_stops_at_its_next_step_and_its_worker_stays(trio, journal, monkeypatch):
    monkeypatch.setattr(worker_handle, "GRACE", 60.0)
    seen = []

    def stop(event):
        seen.append(event)
        trio.cancel(event.id)

    submit(trio, replace(fake.spec(0, journal=str(journal), pace=0.05), steps=1000))
    while not seen or isinstance(seen[-1], Stepped):
        trio.wait(stop)
    assert (seen[-1].cause, seen[-1].reason) == ("cancelled", "stopped")
    assert len(seen) < 100
    submit(trio, fake.spec(1, journal=str(journal), tell=True))
    ends(trio)
    assert pids(journal)["0"] == pids(journal)["1"]


def test_a_cancel_that_comes_too_late_stops_nothing_else(trio, journal, monkeypatch):
    monkeypatch.setattr(worker_handle, "GRACE", 60.0)
    submit(trio, fake.spec(0, journal=str(journal), tell=True))
    fake.until(lambda: any(worker.trial and worker._pipe.poll() for worker in trio._workers))  # it has ended
    trio.cancel("0")
    assert ends(trio)["0"].cause == "usage"
    submit(trio, fake.spec(0, journal=str(journal)))  # the same trial again
    assert isinstance(ends(trio)["0"], Done)
    first, second = (line.split()[1] for line in journal.read_text().splitlines())
    assert first == second


def test_an_idle_worker_that_died_is_replaced_and_costs_no_trial(trio, journal):
    submit(trio, fake.spec(0, journal=str(journal), tell=True))
    ends(trio)
    first = pids(journal)["0"]
    os.kill(first, signal.SIGKILL)
    fake.until(lambda: not any(worker._process and worker._process.pid == first and worker._process.is_alive()
                               for worker in trio._workers))
    for seed in range(3):
        submit(trio, fake.spec(seed, journal=str(journal), tell=True))
    assert {end.cause for end in ends(trio, 3).values()} == {"usage"}
    assert first not in pids(journal).values()


def test_a_worker_killed_while_it_sends_leaves_no_half_result(trio, journal):
    submit(trio, fake.spec(0, journal=str(journal), big=13))
    fake.until(lambda: journal.exists() and journal.read_text().endswith("\n"))
    time.sleep(0.5)  # it sends by now, and cannot end: nobody reads
    os.kill(pids(journal)["0"], signal.SIGKILL)
    assert ends(trio)["0"].cause == "died"
    submit(trio, fake.spec(1, tell=True))
    assert ends(trio)["1"].cause == "usage"


def test_kills_at_random_moments_end_each_trial_once(tmp_path):
    chance = random.Random(7)
    todo, done, deaths = list(range(40)), [], 0
    with Processes(RUN, workers=3) as executor:
        executor.warm()
        next_kill, kills = time.monotonic(), 0
        running = set()

        def handle(event):
            nonlocal deaths
            running.remove(int(event.id))
            if event.cause == "usage":
                done.append(int(event.id))
            else:
                assert (event.cause, event.reason[:34]) == ("died", "the worker was killed by SIGKILL (")
                deaths += 1
                todo.append(int(event.id))

        while todo or running:
            while todo and len(running) < 3:
                running.add(todo[0])
                submit(executor, fake.spec(todo.pop(0), tell=True))
            if kills < 12 and time.monotonic() >= next_kill:
                chance.choice(executor._workers)._process.kill()
                kills, next_kill = kills + 1, time.monotonic() + chance.uniform(0.0, 0.2)
            executor.wait(handle, 0.05)
    assert sorted(done) == list(range(40))
    assert 0 < deaths <= kills


@pytest.mark.parametrize("run", [
    "tests.runner.executors.test_workers:exhausts_python", "tests.runner.executors.test_workers:exhausts_torch",
    "tests.runner.executors.test_workers:exhausts_gpu", "tests.runner.executors.test_workers:exhausts_a_device",
    "tests.runner.executors.test_workers:exhausts_the_system", "tests.runner.executors.test_workers:hides_its_cause"])
def test_want_of_memory_is_told_from_other_errors(run):
    executor = Inline(run)
    submit(executor, fake.spec(0))
    failed = ends(executor)["0"]
    assert failed.cause == "memory"
    assert "Traceback" in failed.traceback


def exhausts_python(spec, on_step, options):
    bytearray(1 << 60)


def exhausts_torch(spec, on_step, options):
    torch.empty(1 << 55, dtype=torch.uint8)


def exhausts_gpu(spec, on_step, options):
    raise torch.OutOfMemoryError("Allocation on device")


def exhausts_a_device(spec, on_step, options):
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def exhausts_the_system(spec, on_step, options):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def hides_its_cause(spec, on_step, options):
    try:
        exhausts_torch(spec, on_step, options)
    except RuntimeError as error:
        raise ValueError("the loss cannot be computed") from error


class Held:
    """Part of a cycle that only the collector frees."""


HELD = []


def holds_and_exhausts(spec, on_step, options):
    held = Held()
    held.itself = held
    HELD.append(weakref.ref(held))
    raise MemoryError


def test_what_a_trial_held_is_freed_when_it_fails():
    gc.disable()
    try:
        trial = "tests.runner.executors.test_workers:holds_and_exhausts"
        failed = run_task(trial, Task("0", fake.spec()), lambda step: None)
    finally:
        gc.enable()
    assert failed.cause == "memory"
    assert HELD.pop()() is None


def test_after_want_of_memory_the_next_trial_gets_a_fresh_process(trio, journal):
    told = []
    for seed, asked in enumerate(["tell", "memory", "tell", "tell"]):
        submit(trio, fake.spec(seed, journal=str(journal), **{asked: True}))
        told.append(ends(trio)[str(seed)].cause)
    assert told == ["usage", "memory", "usage", "usage"]
    where = pids(journal)
    assert where["0"] == where["1"] != where["2"] == where["3"]


def test_a_worker_that_the_system_killed_for_memory_is_told_so(trio, journal, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_handle, "VMSTAT", tmp_path / "vmstat")
    (tmp_path / "vmstat").write_text("pgfault 9\noom_kill 4\n")
    submit(trio, fake.spec(0, journal=str(journal), stall_at=0))
    fake.until(lambda: journal.exists() and journal.read_text().endswith("\n"))
    (tmp_path / "vmstat").write_text("pgfault 9\noom_kill 5\n")
    os.kill(pids(journal)["0"], signal.SIGKILL)
    failed = ends(trio)["0"]
    assert (failed.cause, failed.reason) == (
        "memory", "the worker was killed by SIGKILL: the system ran out of memory")


def test_a_process_is_spent_after_want_of_memory_or_when_its_gpu_answers_no_more(monkeypatch):
    done, failed = Done("0", None, {}, {}), Failed("0", "error", "ValueError: no")
    assert not must_exit(done)
    assert not must_exit(failed)
    assert must_exit(Failed("0", "memory", "MemoryError: "))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert not must_exit(failed)

    def broken():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    assert must_exit(failed)
    assert not must_exit(done)


def odd_result(spec, on_step, options):
    return fake.result(spec, scores={0: (lambda: 0), 1: Unreadable(), 2: {}}[spec.seed])


class Unreadable:
    def __reduce__(self):
        return int, ("x",)


def test_a_result_that_cannot_be_sent_or_read_fails_its_trial_alone():
    with Processes("tests.runner.executors.test_workers:odd_result") as executor:
        ended = []
        for seed in range(3):
            submit(executor, fake.spec(seed))
            ended.append(ends(executor)[str(seed)])
    assert [end.cause for end in ended[:2]] == ["error", "error"]
    assert ended[0].reason.startswith("its result cannot be sent: ")
    assert ended[1].reason.startswith("its result cannot be read: ValueError: invalid literal")
    assert isinstance(ended[2], Done)


def test_a_run_that_cannot_be_imported_is_told_by_the_first_trial():
    with Processes("tests.runner.executors.missing:run", threads=1) as executor:
        executor.warm()
        submit(executor, fake.spec(0))
        failed = ends(executor)["0"]
    assert (failed.cause, failed.reason) == (
        "error", "ModuleNotFoundError: No module named 'tests.runner.executors.missing'")
    assert "Traceback" in failed.traceback


def test_a_torch_that_cannot_be_imported_is_told_by_the_first_trial(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)  # a worker looks where its coordinator does
    with Processes("harness.method.trial:run") as executor:
        submit(executor, fake.spec(0))
        failed = ends(executor)["0"]
    assert (failed.cause, failed.reason) == (
        "error", "ImportError: libcudart.so.12: cannot open shared object file")


def test_each_worker_has_its_own_log_which_a_death_points_to(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with Processes(RUN, workers=2, threads=1, log=tmp_path / "logs") as executor:
        submit(executor, fake.spec(0, print=True, exit=3), fake.spec(1, print=True, exit=4))
        ended = ends(executor, 2)
    assert {log.name for log in (tmp_path / "logs").iterdir()} == {"worker-0.log", "worker-1.log"}
    assert "from the library" in (tmp_path / "logs" / "worker-1.log").read_text()
    assert ended["1"].reason == f"the worker left with exit code 4; see {tmp_path}/logs/worker-1.log"


def told(executor, count):
    """Return what each worker sees of GPUs, of threads, and of torch while its trial starts."""
    submit(executor, *(fake.spec(seed, tell=True) for seed in range(count)))
    return [end.reason for _, end in sorted(ends(executor, count).items())]


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": -1}, {"threads": 0}])
def test_there_is_at_least_one_worker_with_one_thread(wrong):
    with pytest.raises(UsageError, match=r"is out of range; expected 1 or more"):
        Processes(RUN, **wrong)


def test_each_worker_sees_its_own_gpu_before_torch_is_imported():
    with Processes(RUN, workers=3, threads=2, devices=("3", "GPU-5d5ba0d6")) as executor:
        assert told(executor, 3) == [
            f"gpus={gpu} threads=2 torch=False" for gpu in ("3", "GPU-5d5ba0d6", "3")]


def test_one_worker_for_each_gpu_that_is_listed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-a")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("harness.runner.executors.devices.cores", lambda: 8)
    with Processes(RUN, workers=None) as executor:
        assert executor.workers == 2
        assert told(executor, 2) == [f"gpus={gpu} threads=4 torch=False" for gpu in ("GPU-b", "GPU-a")]


def test_no_gpu_is_one_worker_with_the_threads_that_torch_takes(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with Processes(RUN, workers=None) as executor:
        assert executor.workers == 1
        assert told(executor, 1) == ["gpus= threads=5 torch=False"]


def test_gpus_can_be_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with Processes(RUN, devices=()) as executor:
        assert told(executor, 1)[0].startswith("gpus= ")


def test_close_ends_busy_and_idle_workers(journal):
    executor = Processes(RUN, workers=2)
    executor.warm()
    submit(executor, fake.spec(0, journal=str(journal), stall_at=0))
    fake.until(lambda: journal.exists() and journal.read_text().endswith("\n"))
    processes = [worker._process for worker in executor._workers]
    executor.close()
    with pytest.raises(ValueError, match="closed"):  # multiprocessing's word for: ended and collected
        processes[0].is_alive()
    assert not Path(f"/proc/{pids(journal)['0']}").exists()
    executor.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads masks from /proc")
def test_the_first_worker_is_born_deaf_to_ctrl_c(tmp_path):
    # In a process of its own, where nothing has started multiprocessing's resource tracker before.
    script = """
from pathlib import Path
from harness.runner.executors.worker_handle import Worker
if __name__ == "__main__":
    worker = Worker("worker-0", "tests.runner.executors.fake:run", 1, None, None)
    worker.start()
    print(*(line for line in Path(f"/proc/{worker._process.pid}/status").read_text().splitlines() if "SigBlk" in line))
    worker._process.kill()
"""
    path = tmp_path / "first.py"
    path.write_text(script)
    ran = subprocess.run([sys.executable, path], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
                         capture_output=True, text=True, timeout=60)
    assert int(ran.stdout.split()[1], 16) & 1 << (signal.SIGINT - 1), ran.stderr
