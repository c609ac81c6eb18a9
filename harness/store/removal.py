"""Removal of trials: their folders, and their runs in MLflow with the copies of their files."""

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.store.mlflow_server import connect, find_experiment, store_runs
from harness.store.store import Store
from harness.store.urls import sqlite_path


def remove_trials(store: Store, trials: Collection[str]) -> None:
    """Delete the folders of trials; only for the holder of the store's lock. After a kill each is whole or aside."""
    for trial in trials:
        shutil.rmtree(store.set_aside(trial))
        store.remove_marker(trial)
    with suppress(OSError):
        (store.folder / "set_aside").rmdir()  # unless something else lies there


def remove_runs(store: Store, uri: str, trials: Collection[str]) -> int:
    """Delete the runs of trials, of every attempt, and their files in the results folder; return the runs' number."""
    path = sqlite_path(uri)
    if not (store.folder / "identity").exists() or (path is not None and not path.exists()):
        return 0  # nothing was ever pushed
    client = connect(uri)
    experiment, _ = find_experiment(client, store, uri)
    runs = [] if experiment is None else [run for run in store_runs(client, store, str(experiment.experiment_id))
                                          if run.data.tags.get("harness.id") in trials]
    for run in runs:
        client.delete_run(run.info.run_id)
        place = urlsplit(run.info.artifact_uri)
        folder = Path(unquote(place.path)).parent  # <results>/artifacts/<experiment>/<run>/artifacts
        if place.scheme == "file" and folder.is_relative_to((store.results / "artifacts").absolute()):
            shutil.rmtree(folder, ignore_errors=True)
    return len(runs)
