"""The runs of one experiment in MLflow: a parent run, and one run per attempt at a trial.

Only MlflowClient is used, with explicit addresses: the fluent interface keeps global state, reports an interrupted run
as finished, and loses its parent if MLFLOW_RUN_ID is set. The tags ``harness.id`` and ``harness.started`` name a run's
attempt. Pushed values carry fixed times, so that a second push changes nothing. The tag ``harness.complete`` marks a
run that holds the whole record, once it is no longer RUNNING.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.store.mlflow_server import connect, find_experiment, open_experiment, store_runs
from harness.store.store import Store
from harness.store.urls import hide_password

STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "interrupted": "KILLED"}
Attempt = tuple[str, str]  # a trial's id and its start time
PARENT: Attempt = ("", "")
BATCH = 850  # metrics in one request; MLflow takes at most 1000 metrics, params and tags together
PARAMS = 100  # params in one request
LONGEST_PARAM = 6000  # characters; MLflow truncates silently; record.json has the whole setting
LONGEST_CURVE = 1000  # points of one curve; longer curves are thinned; curve.parquet has them whole
FILES = ("best.yaml", "report.*", "figures/*")  # of the experiment's folder, pushed to the parent run


class Mirror:
    """The runs of one experiment. Creating it imports mlflow and connects."""

    def __init__(self, store: Store, uri: str) -> None:
        client = connect(uri)
        self._store, self._client = store, client
        self._experiment = open_experiment(client, store, uri)
        self._runs: dict[Attempt, str] = {}  # ids only: MLflow's run objects are large
        self._complete: set[Attempt] = set()
        self._left_running: list[str] = []
        parents: dict[str, list[str]] = {}  # the runs below each of them
        for run in store_runs(client, store, self._experiment):
            self._register(run)
            parents.setdefault(run.data.tags.get("mlflow.parentRunId", ""), []).append(str(run.info.run_id))
        self.has_new_parent = PARENT not in self._runs
        self._parent = self._runs.get(PARENT) or self._create(*PARENT, store.experiment, {})
        for run in (run for parent, runs in parents.items() if parent not in ("", self._parent) for run in runs):
            client.set_tag(run, "mlflow.parentRunId", self._parent)  # the old one was deleted, such as in the UI

    def end_dead_runs(self) -> None:
        """End as KILLED the runs that a dead coordinator left RUNNING; only for the holder of the store's lock."""
        for run in self._left_running:
            self._client.set_terminated(run, "KILLED")
        self._left_running = []

    def catch_up(self) -> int:
        """Push every record that MLflow lacks and return their number; skip those of another results version."""
        records = (self._store.record(trial) for trial in sorted(self._store.started_ids()))
        return sum(self.push(record) for record in records if record is not None and record["status"] != "stale")

    def resume(self) -> None:
        """Mark the experiment as running."""
        self._client.update_run(self._parent, status="RUNNING")

    def end(self, status: str) -> None:
        """Mark the experiment as FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self._parent, status)

    def push_files(self) -> None:
        """Push the experiment's own files, such as figures, to the parent run."""
        folder = self._store.folder
        for path in sorted(path for pattern in FILES for path in folder.glob(pattern) if path.is_file()):
            subfolder = path.parent.relative_to(folder)
            self._client.log_artifact(self._parent, str(path), None if subfolder == Path() else subfolder.as_posix())

    def start(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> str:
        """Open the run of an attempt, with its params, unless it exists; return its id."""
        run = self._runs.get((trial, started))
        if run is None:
            run = self._create(trial, started, label, spec)
            self._log(run, [], flatten(spec), {})
        return run

    def push(self, record: Mapping[str, Any], label: str = "") -> bool:
        """Write a whole record to its attempt's run; return False if the run already holds it."""
        attempt = record["id"], record["started"]
        if attempt in self._complete:
            return False
        spec = record["spec"]
        label = label or f"{spec['fusion']['name']} {spec['model']['name']} seed={spec['seed']}"
        run = self._runs.get(attempt) or self._create(*attempt, label, spec)
        began, ended = _milliseconds(record["started"]), _milliseconds(record["ended"])
        self._client.log_artifacts(run, str(self._store.path(record["id"])))
        metrics, tags = list(self._metrics(record, began, ended)), {**_tags(record), "harness.complete": "true"}
        self._log(run, metrics, flatten(spec), tags)  # writing the same params again is allowed
        self._client.set_terminated(run, STATUS[record["status"]], end_time=ended)
        self._complete.add(attempt)
        self._runs.pop(attempt, None)
        _drop_client_cache(run)
        return True

    def _metrics(self, record: Mapping[str, Any], began: int, ended: int) -> Iterator[tuple[str, float, int, int]]:
        """Yield name, value, time and step of every metric: scores, cost, and the curve."""
        for kind in ("scores", "cost"):
            for name, value in record[kind].items():
                yield metric_name(name if kind == "scores" else f"cost/{name}"), value, ended, 0
        if "curve.parquet" not in record["files"]:
            return
        curve = self._store.curve(record["id"])
        rows = len(next(iter(curve.values()), []))
        stride = max(1, math.ceil(rows / LONGEST_CURVE))
        for row in sorted({*range(0, rows, stride), rows - 1}) if rows else ():
            time = began + (ended - began) * (row + 1) // rows
            step = int(curve["step"][row]) if "step" in curve else row
            for name, column in curve.items():
                if name != "step":
                    yield metric_name(f"curve/{name}"), column[row], time, step

    def _log(self, run: str, metrics: list[tuple[str, float, int, int]], params: Mapping[str, str],
             tags: Mapping[str, str]) -> None:
        """Write metrics and params in as few requests as possible, and the tags with the last one."""
        from mlflow.entities import Metric, Param, RunTag

        # MLflow would turn an infinity into 1.8e308.
        points = [Metric(name, value if math.isfinite(value) else math.nan, time, step)
                  for name, value, time, step in metrics]
        settings = [Param(name, value) for name, value in params.items()]
        count = max(1, math.ceil(len(points) / BATCH), math.ceil(len(settings) / PARAMS))
        for i in range(count):
            marks = [RunTag(name, value) for name, value in tags.items()] if i == count - 1 else []
            self._client.log_batch(run, metrics=points[i * BATCH:(i + 1) * BATCH],
                                   params=settings[i * PARAMS:(i + 1) * PARAMS], tags=marks)

    def _create(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> str:
        tags = {"mlflow.runName": label, "harness.store": self._store.identity, "harness.id": trial,
                "harness.started": started}
        if trial:
            digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
            tags |= {"mlflow.parentRunId": self._parent, "harness.spec": digest}
        run = self._client.create_run(self._experiment, tags=tags,
                                      start_time=_milliseconds(started) if started else None)
        self._runs[trial, started] = str(run.info.run_id)
        return str(run.info.run_id)

    def _register(self, run: Any) -> None:
        attempt, running = _attempt(run), run.info.status == "RUNNING"
        self._runs[attempt] = str(run.info.run_id)
        if running:
            self._left_running.append(str(run.info.run_id))
        elif run.data.tags.get("harness.complete"):
            self._complete.add(attempt)


def run_pages(store: Store, uri: str) -> dict[Attempt, str]:
    """Return the page of every attempt's run on an MLflow server; empty if nothing was pushed. Writes nothing."""
    if not (store.folder / "identity").exists():
        return {}
    client = connect(uri)
    experiment, _ = find_experiment(client, store, uri)
    runs = store_runs(client, store, str(experiment.experiment_id)) if experiment else ()
    server = hide_password(uri).rstrip("/")
    return {_attempt(run): f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
            for run in runs if _attempt(run) != PARENT}


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as text by dotted name, truncated at LONGEST_PARAM."""
    params: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            params |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            params[f"{prefix}{key}"] = text if len(text) <= LONGEST_PARAM else text[:LONGEST_PARAM - 3] + "..."
    return params


def metric_name(name: str) -> str:
    """Return a score's name in the characters that MLflow allows: `pck@0.1` becomes `pck_at_0.1`."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name.replace("@", "_at_"))


def _drop_client_cache(run: str) -> None:
    """Remove an ended run from the cache of MLflow's client, which holds 9 KB for each of the last thousand runs."""
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).pop(run, None)


def _attempt(run: Any) -> Attempt:
    return run.data.tags.get("harness.id", ""), run.data.tags.get("harness.started", "")


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    tags = {"harness.status": record["status"], "harness.reason": record["reason"][:LONGEST_PARAM],
            "mlflow.source.git.commit": record["environment"].get("git_commit") or "",
            "harness.attempts": str(len(record["attempts"]) + 1),
            "note": record["note"][:LONGEST_PARAM],
            **{name: value or "true" for name, _, value in (tag.partition("=") for tag in record["tags"])},
            **{f"harness.{name}": value for name, value in record["fingerprints"].items()}}
    return {name: str(value) for name, value in tags.items() if value}


def _milliseconds(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp() * 1000)
