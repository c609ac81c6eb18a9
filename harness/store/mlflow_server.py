"""Where MLflow's runs lie, how they are reached, and which of them are a store's."""

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.store.store import Store
from harness.store.urls import plain

QUICKLY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
           "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def default_uri(results: Path) -> str:
    """Return the address of the runs: MLFLOW_TRACKING_URI, else the database in the results folder."""
    return plain(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').absolute()}")


def connect(uri: str) -> Any:
    """Return a client of the runs at an address; a SQLite database is made where there is none. Imports mlflow."""
    for name, value in QUICKLY.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|sqlalchemy)(\..*)?")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if uri.startswith("sqlite:///"):
        _create_database(Path(uri.removeprefix("sqlite:///")))
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _create_database(path: Path) -> None:
    """Create MLflow's tables beside ``path``, then link them in: two creators at once break a database for good."""
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        draft, whole = Path(folder) / "draft.db", Path(folder) / "whole.db"
        MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}").search_experiments()
        with closing(sqlite3.connect(draft)) as old, closing(sqlite3.connect(whole)) as new:
            old.backup(new)
        try:
            path.hardlink_to(whole)
        except FileExistsError:
            return  # another experiment's coordinator was first
        except OSError:
            whole.replace(path)  # no hard links here


def experiment_of(client: Any, store: Store, uri: str) -> str:
    """Return the id of MLflow's experiment, made where there is none; see `find_experiment`."""
    found, name = find_experiment(client, store, uri)
    if found is None:
        place = None if _is_server(uri) else _artifacts(store).as_uri()
        return str(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def find_experiment(client: Any, store: Store, uri: str) -> tuple[Any, str]:
    """Return MLflow's experiment, None where there is none yet, and its name.

    Local artifacts lie in the results folder, a server's where it decides. A folder that was copied or moved takes
    along a database that names the old place: nothing is written there, its runs stay, and an experiment is begun
    beside theirs, as `name-2`.
    """
    number, name = 1, store.experiment
    found = client.get_experiment_by_name(name)
    while found is not None and not _is_server(uri) and _elsewhere(found.artifact_location, store):
        number += 1
        name = f"{store.experiment}-{number}"
        found = client.get_experiment_by_name(name)
    return found, name


def _is_server(uri: str) -> bool:
    return uri.startswith(("http:", "https:"))


def _artifacts(store: Store) -> Path:
    return (store.results / "artifacts" / store.experiment).absolute()


def _elsewhere(location: str, store: Store) -> bool:
    """Return whether artifacts go to a folder that is not this store's."""
    parts = urlsplit(location)
    return parts.scheme in ("", "file") and Path(unquote(parts.path)).resolve() != _artifacts(store).resolve()


def runs_of(client: Any, store: Store, experiment: str) -> Iterator[Any]:
    """Yield every run that stands for this very store."""
    page = None
    while True:
        batch = client.search_runs([experiment], f"tags.\"harness.store\" = '{store.identity}'", max_results=100,
                                   page_token=page)
        yield from batch
        page = batch.token
        if not page:
            return
