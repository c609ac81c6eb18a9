"""Killed searches, and lost or damaged studies: the store wins, and no trial is run twice."""

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from harness.errors import UsageError
from harness.runner.coordinator import Policy, run_trials
from harness.runner.executors.inline import Inline
from harness.runner.executors.processes import Processes
from harness.search.study import IDS, Study
from harness.store.store import Store
from tests.search.synthetic import RUN, experiment, go, journal, sweep, trials_of

ROOT = Path(__file__).parents[2]
SEARCH = "  pruner: {name: median, by: seed, startup: 2}\n"


def agree(store):
    """Check that study and store hold the same trials, each once."""
    assert not [trial for trial in trials_of(store) if not trial.state.is_finished()]
    trials = [trial for trial in trials_of(store) if IDS in trial.user_attrs and trial.state.name != "FAIL"]
    ids = [trial.user_attrs[IDS][0] for trial in trials]
    assert len(ids) == len(set(ids))
    finished = {record["id"] for record in store.records() if record["status"] == "finished"}
    assert finished <= {each for trial in trials for each in trial.user_attrs[IDS]}
    for trial in trials:
        done = [each for each in trial.user_attrs[IDS] if each in finished]
        assert len(done) == 2 or (trial.state.name == "PRUNED" and len(done) == 1)


class Killed(BaseException):
    """Ends a search like SIGKILL: nothing is closed, and the study is not informed."""


def dying(monkeypatch, owner, name, calls):
    """Let a method raise Killed at its call number ``calls``, before it does anything."""
    method, count = getattr(owner, name), itertools.count(1)

    def instead(*arguments, **options):
        if next(count) == calls:
            raise Killed
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, instead)


@pytest.mark.parametrize(("owner", "name", "calls", "lost"), [
    (Study, "ask", 3, 0), (Study, "annotate", 3, 0), (Study, "report", 6, 0), (Study, "tell", 2, 0),
    (Store, "save", 4, 1),
], ids=["asking", "annotating", "reporting", "telling", "saving"])
def test_a_killed_search_goes_on_where_it_was(tmp_path, store, ran, monkeypatch, owner, name, calls, lost):
    asked = experiment(tmp_path, SEARCH, seeds=2)
    with monkeypatch.context() as patched:
        dying(patched, owner, name, calls)
        with pytest.raises(Killed):
            run_trials(sweep(asked, store), store, Inline(RUN))
    go(asked, store)
    agree(store)
    runs = journal(ran)
    assert len(runs) - len(set(runs)) == lost  # only a trial without a stored result ran twice
    assert len(set(runs)) <= 8
    go(asked, store)
    assert journal(ran) == runs


def test_a_search_killed_by_the_system_goes_on_where_it_was(tmp_path, store, ran):
    script = f"""
import os, signal
from harness.search import study
from harness.store.store import Store
from tests.search.synthetic import experiment, go
tell, told = study.Study.tell, []
def die(*arguments, **options):
    told.append(1)
    if len(told) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    tell(*arguments, **options)
study.Study.tell = die
go(experiment({str(tmp_path)!r}, {SEARCH!r}, seeds=2), Store({str(store.results)!r}, "hunt"))
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert [trial.state.name for trial in trials_of(store)] == ["COMPLETE", "RUNNING"]
    go(experiment(tmp_path, SEARCH, seeds=2), store)
    agree(store)
    assert len(set(journal(ran))) == len(journal(ran)) <= 8


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "gone", "foreign"])
def test_a_damaged_study_is_set_aside_and_made_again_from_the_records(tmp_path, store, ran, damage):
    go(experiment(tmp_path, SEARCH, seeds=2), store)
    before = sorted((trial.user_attrs[IDS], trial.state.name) for trial in trials_of(store) if IDS in trial.user_attrs)
    path, runs, warned = store.folder / "study.db", journal(ran), []
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "foreign":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (x INTEGER)")
        other.close()
    else:
        path.write_bytes({"garbage": b"\xff" * 5000, "truncated": content[:len(content) // 2], "empty": b""}[damage])
    go(experiment(tmp_path, SEARCH, seeds=2), store, warn=warned.append)
    after = sorted((trial.user_attrs[IDS], trial.state.name) for trial in trials_of(store) if IDS in trial.user_attrs)
    assert after == before
    assert journal(ran) == runs
    aside = list(store.folder.glob("study.db.broken-*"))
    assert len(aside) == len(warned) == (0 if damage == "gone" else 1)
    assert all("is set aside" in line and "\n" not in line for line in warned)


def test_records_that_a_study_claims_and_the_store_lacks_are_run_again(tmp_path, store, ran):
    go(experiment(tmp_path), store)
    lost = next(trial.user_attrs[IDS][0] for trial in trials_of(store) if IDS in trial.user_attrs)
    shutil.rmtree(store.path(lost))
    warned = []
    summary = go(experiment(tmp_path), store, warn=warned.append)
    assert (summary.done, summary.skipped) == (1, 7)
    assert "does not agree with the records (trial 0)" in warned[0]
    agree_ids = {each for trial in trials_of(store) if IDS in trial.user_attrs for each in trial.user_attrs[IDS]}
    assert agree_ids == {record["id"] for record in store.records()}


def test_other_data_or_weights_are_refused(tmp_path, store):
    go(experiment(tmp_path), store)
    source = sweep(experiment(tmp_path), store)
    source._fingerprints = lambda spec: {"data": "d1", "weights": "w0"}
    with pytest.raises(UsageError, match="was begun with other data, weights or defaults: its number 0 was"):
        source.next()


def test_another_store_begins_a_study_of_its_own_in_a_shared_database(tmp_path, ran):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    stores = [Store(tmp_path / name, "hunt") for name in ("one", "two")]
    for each in stores:
        go(experiment(tmp_path), each, storage=url)
    assert optuna.get_all_study_names(url) == ["hunt", "hunt-2"]
    assert len(journal(ran)) == 16


def test_several_workers_share_a_study_and_a_killed_one_loses_nothing(tmp_path, store, ran):
    asked = experiment(tmp_path, "  sampler: {name: tpe, startup: 4}\n", seeds=2, budget="{trials: 12}")
    source = sweep(asked, store)
    with Processes(RUN, workers=2, threads=1) as executor:
        summary = run_trials(source, store, executor, policy=Policy(retries=2))
    source.close()
    assert summary.done == 12
    assert len(set(journal(ran))) == len(journal(ran)) == 12
    agree(store)


def test_an_interrupted_search_fails_what_is_open_and_takes_it_up_again(tmp_path, store, ran):
    asked = experiment(tmp_path, SEARCH, seeds=2)
    source, ticks = sweep(asked, store), itertools.count()

    def taken(trial, record):
        if next(ticks) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        type(source).report_end(source, trial, record)

    source.report_end = taken
    summary = run_trials(source, store, Inline(RUN), policy=Policy(retries=0))
    source.close()
    assert (summary.done, summary.left) == (3, 5)
    assert [trial.state.name for trial in trials_of(store)] == ["COMPLETE", "FAIL"]
    go(asked, store)
    agree(store)
    assert journal(ran)[3][:2] == journal(ran)[2][:2]  # the unfinished setting comes first
    assert len(set(journal(ran))) == len(journal(ran)) <= 8
