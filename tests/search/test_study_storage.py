"""Databases of studies: files and servers, damaged ones and unreachable ones included."""

import os
import sqlite3
import uuid
from pathlib import Path

import optuna
import pytest

from harness.errors import Resumable, UsageError
from harness.search import study_storage
from harness.search.study import IDS, Study
from tests.search.synthetic import experiment, go, journal

SERVER = os.environ.get("HARNESS_TEST_POSTGRES", "")  # such as postgresql://user@127.0.0.1/name


def test_the_study_lies_beside_the_records_unless_an_address_is_given(tmp_path):
    assert study_storage.storage_url("", tmp_path) == f"sqlite:///{tmp_path / 'study.db'}"
    assert study_storage.storage_url("postgresql://me@host/name", tmp_path) == "postgresql+psycopg://me@host/name"
    assert study_storage.storage_url("mysql+pymysql://me@host/name", tmp_path) == "mysql+pymysql://me@host/name"


@pytest.mark.parametrize(("url", "reason"), [
    ("study.db", "'study.db' is not an address"),
    ("nothing://host/name", "not an address of a database"),
    ("mysql+pymysql://host/name", "its driver is missing"),
    ("postgresql://me:secret@127.0.0.1:1/name", "cannot be opened"),
    ("sqlite:////proc/no/such/study.db", "cannot be opened"),
])
def test_a_database_that_cannot_be_opened_is_reported_in_one_line_without_the_password(tmp_path, store, url, reason):
    with pytest.raises(UsageError) as caught:
        Study(experiment(tmp_path), store, url=url)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_no_address_can_hold_is_refused(tmp_path):
    for given, folder in (("", tmp_path / "p %20 q"), ("", tmp_path / "what?"), ("sqlite:////a/b%20c.db", tmp_path)):
        with pytest.raises(UsageError, match=r"a database cannot lie in a path with % or \?"):
            study_storage.storage_url(given, folder)
    remote = "postgresql+psycopg://me:a%40b@host/name?x=1"
    assert study_storage.storage_url(remote, tmp_path).endswith("me:a%40b@host/name?x=1")
    assert study_storage.storage_url("", tmp_path / "ü #1") == f"sqlite:///{tmp_path}/ü #1/study.db"


def test_options_of_a_file_are_no_part_of_its_path(tmp_path, store):
    study = Study(experiment(tmp_path), store, url=f"sqlite:///{tmp_path}/own.db?timeout=60")
    study.close()
    assert (tmp_path / "own.db").is_file()
    assert not list(tmp_path.glob("*timeout*"))


def test_tables_are_created_elsewhere_and_renamed(tmp_path, monkeypatch):
    monkeypatch.undo()  # the real function instead of the tests' copy
    places = []

    def connect(url, **options):
        places.append(Path(url.removeprefix("sqlite:///")))
        assert not (tmp_path / "study.db").exists()
        return optuna.storages.RDBStorage(url)

    monkeypatch.setattr(study_storage, "_connect", connect)
    study_storage._create(tmp_path / "study.db")
    assert places[0].parent != tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path / 'study.db'}") == []


def test_a_database_that_fails_on_the_way_ends_the_search_in_one_line_and_it_resumes(tmp_path, store, ran, monkeypatch):
    states = []

    def tell(self, trial, state, values=None):
        states.append(state)
        if len(states) == 3:
            with study_storage.resumable_errors(self.url), sqlite3.connect(store.folder / "study.db") as database:
                database.execute("DROP TABLE trial_values")
        original(self, trial, state, values)

    original = Study.tell
    with monkeypatch.context() as patched:
        patched.setattr(Study, "tell", tell)
        with pytest.raises(Resumable) as caught:
            go(experiment(tmp_path), store)
    assert "no such table: trial_values; the same command resumes" in str(caught.value)
    assert "\n" not in str(caught.value)
    warned = []
    go(experiment(tmp_path), store, warn=warned.append)
    assert len(set(journal(ran))) == len(journal(ran)) == 8
    assert "does not agree with the records (trial 0); it is rebuilt from them" in warned[0]


@pytest.mark.skipif(not SERVER, reason="HARNESS_TEST_POSTGRES names no server")
def test_a_study_on_a_postgresql_server_is_searched_and_resumed(tmp_path, store, ran):
    pytest.importorskip("psycopg")
    name = f"hunt{uuid.uuid4().hex[:8]}"
    asked = experiment(tmp_path, f"  storage: {SERVER}\n", f"name={name}", seeds=2)
    summary = go(asked, store)
    assert (summary.done, summary.left) == (8, 0)
    assert not (store.folder / "study.db").exists()
    server = study_storage.open_storage(study_storage.storage_url(SERVER, tmp_path), print)
    try:
        trials = optuna.load_study(study_name=name, storage=server).trials
        assert [len(trial.user_attrs[IDS]) for trial in trials if IDS in trial.user_attrs] == [2, 2, 2, 2]
        more = experiment(tmp_path, f"  storage: {SERVER}\n", f"name={name}", seeds=2, budget="{trials: 12}")
        assert go(more, store).done == 4
        assert len(set(journal(ran))) == len(journal(ran)) == 12
    finally:
        optuna.delete_study(study_name=name, storage=server)
        server.remove_session()
        server.engine.dispose()
