"""The executors that the flags stand for."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from harness.__main__ import Parser
from harness.cli import _executor_options
from harness.cli._executor_options import add_executor, executor_of
from harness.config.load import load
from harness.config.spec import Choice
from harness.errors import UsageError
from harness.runner.executors import devices
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.store.store import Store


def parsed(*flags: str) -> argparse.Namespace:
    parser = Parser("harness run")
    add_executor(parser)
    return parser.parse_args(flags)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "quick")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores, two GPUs."""
    monkeypatch.setattr(devices, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


def worker_arguments(executor: object) -> list[tuple[object, ...]]:
    """Return name, run, threads, device and log of each worker process."""
    assert isinstance(executor, Processes)
    return [worker._arguments for worker in executor._workers]


def test_without_flags_there_is_one_worker_for_each_gpu_with_its_own_log(store: Store) -> None:
    run, logs = "harness.method.trial:run", store.folder
    assert worker_arguments(executor_of(parsed(), store)) == [
        ("worker-0", run, 2, "0", str(logs / "worker-0.log")), ("worker-1", run, 2, "1", str(logs / "worker-1.log"))]


@pytest.mark.parametrize(("flags", "expected"), [
    (("--workers", "3"), [(1, "0"), (1, "1"), (1, "0")]),
    (("--devices", "1"), [(None, "1")]),
    (("--devices", "cpu"), [(None, "")]),
    (("--devices", "cpu", "--workers", "2"), [(2, ""), (2, "")]),
    (("--devices", "GPU-a, GPU-b", "--threads", "1"), [(1, "GPU-a"), (1, "GPU-b")]),
])
def test_flags_say_how_many_on_which_gpus_with_how_many_threads(
        store: Store, flags: tuple[str, ...], expected: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    workers = worker_arguments(executor_of(parsed(*flags), store))
    assert [(threads, device) for _, _, threads, device, _ in workers] == expected
    assert capsys.readouterr().err == ""


def small(store: Store, *flags: str, models: tuple[str, ...] = ("tiny_sd",), count: int = 9) -> list[object]:
    """Return the threads of the workers that trials of these models get."""
    trials = [replace(spec, model=Choice(name, {})) for name in models for spec in load("quick").trials[:1]]
    return [threads for _, _, threads, _, _ in worker_arguments(executor_of(parsed(*flags), store, trials, count))]


def test_small_models_get_a_worker_for_each_core_where_no_gpu_is(
        store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "free_gb", lambda: 100.0)
    assert small(store) == [2, 2]  # one for each GPU
    assert small(store, "--devices", "cpu") == [1, 1, 1, 1]
    assert small(store, "--devices", "cpu", count=2) == [2, 2]
    assert small(store, "--devices", "cpu", "--workers", "1") == [None]
    assert small(store, "--devices", "cpu", "--threads", "4") == [4]
    assert small(store, "--devices", "cpu", models=("tiny_sd", "sd15")) == [None]
    monkeypatch.setattr(devices, "free_gb", lambda: 5.0)
    assert small(store, "--devices", "cpu") == [2, 2]
    monkeypatch.setattr(devices, "free_gb", lambda: 0.5)
    assert small(store, "--devices", "cpu") == [None]


def test_free_memory_is_what_a_container_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in {"LIMIT": "3000000000", "USED": "1000000000", "MEMORY": "MemAvailable:  9000000 kB\n"}.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(devices, name, tmp_path / name)
    assert devices.free_gb() == 2.0
    (tmp_path / "LIMIT").write_text("max\n")
    assert devices.free_gb() == pytest.approx(9.216)


def test_more_threads_than_cores_are_a_warning(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    executor_of(parsed("--workers", "3", "--threads", "2"), store)
    assert capsys.readouterr().err == "warning: 3 x 2 threads on 4 cores; trials slow each other down\n"


def test_inline_is_this_process(store: Store) -> None:
    executor = executor_of(parsed("--executor", "inline", "--workers", "1", "--threads", "3"), store)
    assert isinstance(executor, Inline)
    assert executor.workers == 1


@pytest.mark.parametrize(("flags", "words"), [
    (("--workers", "0"), "--workers: '0' is not valid; expected a whole number, 1 or more"),
    (("--workers", "-1"), "--workers: '-1' is not valid"),
    (("--threads", "1.5"), "--threads: '1.5' is not valid"),
    (("--threads", "x"), "--threads: 'x' is not valid"),
    (("--devices", "0,,1"), "--devices: '0,,1' is not valid; expected GPUs such as 0,1, or cpu"),
    (("--devices", "0,cpu"), "--devices: '0,cpu' is not valid"),
    (("--executor", "thread"), "invalid choice: 'thread'"),
    (("--executor", "inline", "--workers", "2"), "--workers: 2 is out of range; inline runs one trial at a time"),
    (("--executor", "inline", "--devices", "0"), "--devices: inline takes none; it goes with --executor processes"),
    (("--address", "auto"), "--address: processes joins no cluster; it goes with --executor ray"),
])
def test_what_cannot_be_is_refused_by_name(store: Store, flags: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        executor_of(parsed(*flags), store)
    assert words in str(refused.value)


def test_ray_that_is_not_installed_is_told_with_its_extra(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_executor_options, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--executor ray: .* is not installed; pip install -e '\.\[ray\]'$"):
        executor_of(parsed("--executor", "ray"), store)
