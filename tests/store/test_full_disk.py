"""A disk that fills up at any moment loses no finished trial: the run waits, or ends with one line and resumes."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from harness.config.spec import Experiment, ReportSpec
from harness.errors import Resumable, UsageError
from harness.runner import record_writer
from harness.runner.coordinator import Policy, Progress, run_trials
from harness.runner.executors.inline import Inline
from harness.search.grid import Grid
from harness.store.store import Store
from tests.runner.executors import fake

SPECS = tuple(fake.spec(seed) for seed in range(3))


class Told(Progress):
    """Notes what finished."""

    def __init__(self):
        self.finished_seeds = []

    def finished(self, trial, result):
        self.finished_seeds.append(trial.spec.seed)


class Disk:
    """Counts what changes files below a folder, and refuses it from the ``first`` to the ``last`` time."""

    def __init__(self, monkeypatch, folder, first=10**9, last=10**9):
        self.count, self.folder, self.first, self.last = 0, str(folder), first, last
        for name in ("mkdir", "rename", "replace", "write_bytes"):
            monkeypatch.setattr(Path, name, self.guarded(getattr(Path, name)))
        whole = Path.open
        monkeypatch.setattr(Path, "open", lambda path, mode="r", **options: (
            self.guarded(whole) if set(mode) & set("wa") else whole)(path, mode, **options))

    def guarded(self, call):
        def guard(path, *arguments, **options):
            if str(path).startswith(self.folder):
                self.count += 1
                if self.first <= self.count <= self.last:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return call(path, *arguments, **options)
        return guard


def run(store, progress=None):
    experiment = Experiment("quick", SPECS, (), (0,), ReportSpec(), "quick.yaml")
    return run_trials(Grid(experiment, store, fake.fingerprints), store, Inline("tests.runner.executors.fake:run"),
                      policy=Policy(retries=0), progress=progress)


def complaint(store, progress=None):
    """Return the one line that ended a run, nothing where it went through."""
    try:
        run(store, progress)
    except (UsageError, Resumable) as error:
        line = str(error)
    else:
        return ""
    assert "\n" not in line
    return line


def finished(store):
    return sorted(record["spec"]["seed"] for record in store.records() if record["status"] == "finished")


def writes(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        disk = Disk(patch, tmp_path)
        run(Store(tmp_path / "counted", "quick"))
    return disk.count


@pytest.mark.slow
def test_a_write_refused_for_a_moment_costs_nothing_whichever_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(record_writer, "RETRY_SECONDS", 0.0)
    count = writes(tmp_path, monkeypatch)
    assert count > 20
    for moment in range(1, count + 1):
        store = Store(tmp_path / str(moment), "quick")
        with monkeypatch.context() as patch:
            Disk(patch, tmp_path, moment, moment)
            refused = complaint(store)
        assert not (refused and store.records()), moment  # if it ends the run, then before anything started
        run(store)
        assert finished(store) == [0, 1, 2], moment


@pytest.mark.slow
def test_a_disk_that_is_full_from_some_moment_on_keeps_what_was_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(record_writer, "PATIENCE", 0.0)
    stopped = 0
    for moment in range(1, writes(tmp_path, monkeypatch) + 1):
        store, told = Store(tmp_path / str(moment), "quick"), Told()
        with monkeypatch.context() as patch:
            Disk(patch, tmp_path, moment)
            refused = complaint(store, told)
        stopped += bool(refused)
        assert "No space left on device" in (refused or "No space left on device")
        assert finished(store) == told.finished_seeds, moment
        again = run(store)
        assert (again.skipped, finished(store)) == (len(told.finished_seeds), [0, 1, 2]), moment
        assert store.unreadable() == {}
    assert stopped > 20


def test_a_small_disk_that_fills_up_and_is_given_room_again(tmp_path, monkeypatch):
    monkeypatch.setattr(record_writer, "PATIENCE", 0.0)
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        store, told = Store(place / "results", "quick"), Told()
        with pytest.raises(Resumable, match=r"cannot (keep|note) .*: No space left on device"):
            run(store, told)
        assert 0 < len(told.finished_seeds) < 3
        assert finished(store) == told.finished_seeds
        subprocess.run(["mount", "-o", "remount,size=10m", place], check=True)
        assert run(store).skipped == len(told.finished_seeds)
        assert finished(store) == [0, 1, 2]
    finally:
        subprocess.run(["umount", place], check=True)
