"""Fixtures for the tests of searches: a store, a journal of the runs, and databases that are copied, not created."""

import shutil

import pytest

from harness.search import study_storage
from harness.store.store import Store
from tests.search.synthetic import JOURNAL


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "hunt")


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The journal's file."""
    monkeypatch.setenv(JOURNAL, str(tmp_path / "journal"))
    return tmp_path / "journal"


@pytest.fixture(scope="session")
def blank(tmp_path_factory):
    """A database without studies, created once because that takes as long as ten searches."""
    path = tmp_path_factory.mktemp("storage") / "study.db"
    study_storage._create(path)
    return path


@pytest.fixture(autouse=True)
def _copied(blank, monkeypatch):
    monkeypatch.setattr(study_storage, "_create", lambda place: shutil.copy(blank, place))
