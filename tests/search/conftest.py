"""What searches are tested with: a store, a journal of what ran, and databases that are copied rather than made."""

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
    """A database without studies, made once: it takes as long as ten searches."""
    path = tmp_path_factory.mktemp("storage") / "study.db"
    study_storage._create(path)
    return path


@pytest.fixture(autouse=True)
def _copied(blank, monkeypatch):
    monkeypatch.setattr(study_storage, "_create", lambda place: shutil.copy(blank, place))
