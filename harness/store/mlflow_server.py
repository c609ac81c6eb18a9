"""The connection to MLflow: its address, a client, and the runs that belong to a store."""

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
from harness.store.urls import check_sqlite_path, sqlite_path

FAIL_FAST = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
           "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PGCONNECT_TIMEOUT": "5"}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def default_uri(results: Path) -> str:
    """Return the address of the runs: MLFLOW_TRACKING_URI, else the database in the results folder."""
    return check_sqlite_path(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').absolute()}")


def connect(uri: str) -> Any:
    """Return a client for an address; a missing SQLite database is created. Imports mlflow."""
    for name, value in FAIL_FAST.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|sqlalchemy)(\..*)?")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what fails is raised too
    path = sqlite_path(uri)
    if path is not None:
        _create_database(path)
    _try_database(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _try_database(uri: str) -> None:
    """Open a connection to a database and close it; MLflow would try ten times, for minutes, if there is none."""
    if uri.partition("://")[0].partition("+")[0] not in DATABASES:
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect():
        pass


def _create_database(path: Path) -> None:
    """Create MLflow's database beside ``path``, then link it: two processes that create one together destroy it."""
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        draft, complete = Path(folder) / "draft.db", Path(folder) / "complete.db"
        MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}").search_experiments()
        with closing(sqlite3.connect(draft)) as source, closing(sqlite3.connect(complete)) as target:
            source.backup(target)
        try:
            path.hardlink_to(complete)
        except FileExistsError:
            return  # another experiment's coordinator was first
        except OSError:
            complete.replace(path)  # no hard links on this file system


def open_experiment(client: Any, store: Store, uri: str) -> str:
    """Return the id of the store's MLflow experiment, created if missing; see `find_experiment`."""
    experiment, name = find_experiment(client, store, uri)
    if experiment is None:
        location = None if _is_server(uri) else _artifacts(store).as_uri()
        return str(client.create_experiment(name, artifact_location=location))
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def find_experiment(client: Any, store: Store, uri: str) -> tuple[Any, str]:
    """Return the store's MLflow experiment, None if it does not exist yet, and its name.

    Local artifacts are in the results folder; a server decides by itself. The database of a copied or moved results
    folder still names the old folder. Such an experiment keeps its runs, nothing is written to its folder, and a new
    experiment `name-2` is used.
    """
    number, name = 1, store.experiment
    experiment = client.get_experiment_by_name(name)
    while experiment is not None and not _is_server(uri) and _is_outside(experiment.artifact_location, store):
        number += 1
        name = f"{store.experiment}-{number}"
        experiment = client.get_experiment_by_name(name)
    return experiment, name


def _is_server(uri: str) -> bool:
    return uri.startswith(("http:", "https:"))


def _artifacts(store: Store) -> Path:
    return (store.results / "artifacts" / store.experiment).absolute()


def _is_outside(location: str, store: Store) -> bool:
    """Return True if artifacts go to a folder that is not this store's."""
    parts = urlsplit(location)
    return parts.scheme in ("", "file") and Path(unquote(parts.path)).resolve() != _artifacts(store).resolve()


def store_runs(client: Any, store: Store, experiment: str) -> Iterator[Any]:
    """Yield every run that mirrors this store."""
    page = None
    while True:
        batch = client.search_runs([experiment], f"tags.\"harness.store\" = '{store.identity}'", max_results=100,
                                   page_token=page)
        yield from batch
        page = batch.token
        if not page:
            return
