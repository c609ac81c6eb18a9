"""The runs of one experiment in MLflow: a parent run, and one run per attempt at a trial.

Only MlflowClient is used, with explicit addresses: the fluent interface keeps global state, reports an interrupted run
as finished, and loses its parent if MLFLOW_RUN_ID is set. The tags ``harness.id`` and ``harness.started`` name a run's
attempt. Pushed values carry fixed times, so that a second push changes nothing. The tag ``harness.complete`` marks a
run that holds the whole record, once it is no longer RUNNING.
"""

import hashlib
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.store.mlflow_names import Names, read_plan
from harness.store.mlflow_notes import experiment_note, parent_note, trial_note
from harness.store.mlflow_server import connect, find_experiment, open_experiment, store_runs
from harness.store.mlflow_summary import read_tables, summarise
from harness.store.mlflow_trial import Point, milliseconds, source_tags, trial_metrics, trial_tags, write_extras
from harness.store.mlflow_views import view_tags
from harness.store.store import Store
from harness.store.urls import hide_password

STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "interrupted": "KILLED"}
Attempt = tuple[str, str]  # a trial's id and its start time
PARENT: Attempt = ("", "")
FORM = "2"  # of what a complete run holds; runs of an older form are completed by `catch_up`
BATCH = 850  # metrics in one request; MLflow takes at most 1000 metrics, params and tags together
PARAMS = 100  # params in one request
PROGRESS_SECONDS = 10.0  # between updates of the parent's progress
FILES = ("best.yaml", "report.*", "figures/*")  # of the experiment's folder, pushed to the parent run
NOTE, NOTE_DIGEST = "mlflow.note.content", "harness.note"  # a description, and the hash of that which was written last


class Mirror:
    """The runs of one experiment. Creating it imports mlflow and connects."""

    def __init__(self, store: Store, uri: str) -> None:
        client = connect(uri)
        self._store, self._client = store, client
        self._experiment = open_experiment(client, store, uri)
        plan = store.folder / "experiment.json"
        self._plan = read_plan(plan.read_bytes() if plan.is_file() else None)
        self._axes = [axis for axis in self._plan.get("axes", ()) if axis != "seed"]
        self._names = Names(store.experiment, self._axes, dict(self._plan.get("trials") or {}).values())
        self._runs: dict[Attempt, str] = {}  # ids only: MLflow's run objects are large
        self._complete: set[Attempt] = set()
        self._left_running: list[str] = []
        self._ended: Counter[str] = Counter()
        self._progress: list[Point] = []
        self._told = 0.0  # when the progress was pushed
        self._pushed = 0
        parents: dict[str, list[str]] = {}  # the runs below each of them
        for run in store_runs(client, store, self._experiment):
            self._register(run)
            parents.setdefault(run.data.tags.get("mlflow.parentRunId", ""), []).append(str(run.info.run_id))
        self.has_new_parent = PARENT not in self._runs
        self._parent = self._runs.get(PARENT) or self._create(*PARENT, store.experiment, {})
        for run in (run for parent, runs in parents.items() if parent not in ("", self._parent) for run in runs):
            client.set_tag(run, "mlflow.parentRunId", self._parent)  # the old one was deleted, such as in the UI

    def describe(self) -> None:
        """Write the experiment's description and saved views, where they differ."""
        tags = self._client.get_experiment(self._experiment).tags
        note = experiment_note(self._store.experiment, self._experiment, self._plan)
        runs = max(len(self._plan.get("trials") or ()), len(self._runs) + len(self._complete))
        for name, value in {**view_tags(self._axes, runs), **_note_tags(note, tags)}.items():
            if tags.get(name) != value:
                self._client.set_experiment_tag(self._experiment, name, value)

    def end_dead_runs(self) -> None:
        """End as KILLED the runs that a dead coordinator left RUNNING; only for the holder of the store's lock."""
        for run in self._left_running:
            self._client.set_terminated(run, "KILLED")
        self._left_running = []

    def catch_up(self) -> int:
        """Push every record that MLflow lacks and return their number; skip those of another results version."""
        records = (self._store.record(trial) for trial in sorted(self._store.started_ids()))
        lacking = sorted((record["ended"], record["id"]) for record in records if record is not None
                         and record["status"] != "stale" and _attempt_of(record) not in self._complete)
        return sum(self.push(record) for _, trial in lacking if (record := self._store.record(trial)) is not None)

    def resume(self) -> None:
        """Mark the experiment as running."""
        self._client.update_run(self._parent, status="RUNNING")

    def end(self, status: str) -> None:
        """Mark the experiment as FINISHED, FAILED or KILLED, and write its mean scores."""
        self._push_progress()
        if self._pushed or self.has_new_parent:
            self._push_summary()
            self.describe()  # now that the number of a search's runs is clear
        self._client.set_terminated(self._parent, status)

    def push_files(self) -> None:
        """Push the experiment's own files, such as figures, to the parent run."""
        folder = self._store.folder
        for path in sorted(path for pattern in FILES for path in folder.glob(pattern) if path.is_file()):
            subfolder = path.parent.relative_to(folder)
            self._client.log_artifact(self._parent, str(path), None if subfolder == Path() else subfolder.as_posix())
        report = folder / "report.json"
        tables = read_tables(report.read_bytes()) if report.is_file() else {}
        for name, table in tables.items():
            self._client.log_dict(self._parent, table, f"tables/{name}.json")
        if tables:
            marks = [{"path": f"tables/{name}.json", "type": "table"} for name in tables]
            self._client.set_tag(self._parent, "mlflow.loggedArtifacts", json.dumps(marks))

    def start(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> str:
        """Open the run of an attempt, with its params, unless it exists; return its id."""
        run = self._runs.get((trial, started))
        if run is None:
            setting = self._names.setting(spec, label)
            run = self._create(trial, started, self._names.run(setting, spec), spec)
            tags = {"setting": setting, "seed": str(spec.get("seed")), "status": "running"}
            self._log(run, [], self._names.params(spec), tags)
        return run

    def push(self, record: Mapping[str, Any], label: str = "") -> bool:
        """Write a whole record to its attempt's run; return False if the run already holds it."""
        attempt = _attempt_of(record)
        if attempt in self._complete:
            return False
        spec = record["spec"]
        setting, digest = self._setting(record, label)
        name = self._names.run(setting, spec)
        run = self._runs.get(attempt) or self._create(*attempt, name, spec)
        self._client.log_artifacts(run, str(self._store.path(record["id"])))
        with tempfile.TemporaryDirectory(prefix="harness-mlflow-") as extras:
            pictures = write_extras(self._store, record, Path(extras))
            self._client.log_artifacts(run, extras)
        tags = {"mlflow.runName": name, NOTE: trial_note(record, setting, run, pictures),
                **trial_tags(record, setting, digest), "harness.complete": FORM}
        # Writing the same params again is allowed.
        self._log(run, list(trial_metrics(self._store, record)), self._names.params(spec), tags)
        self._client.set_terminated(run, STATUS[record["status"]], end_time=milliseconds(record["ended"]))
        self._complete.add(attempt)
        self._runs.pop(attempt, None)
        self._count(record)
        _drop_client_cache(run)
        return True

    def _setting(self, record: Mapping[str, Any], label: str = "") -> tuple[str, str]:
        """Return the name and the digest of a record's setting; those of trials that failed early share one name."""
        spec = record["spec"]
        name = self._names.setting(spec, label or f"{spec['fusion']['name']} {spec['model']['name']} seed=")
        return self._names.distinct(spec, record["fingerprints"], name) if record["fingerprints"] else (name, "")

    def _count(self, record: Mapping[str, Any]) -> None:
        """Note the progress, and push it from time to time: each request takes as long as a trial's metrics."""
        self._pushed += 1
        self._ended["finished" if record["status"] == "finished" else "not_finished"] += 1
        when, step = milliseconds(record["ended"]), self._ended.total()
        self._progress += [(f"progress/{name}", self._ended[name], when, step) for name in ("finished", "not_finished")]
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._push_progress()

    def _push_progress(self) -> None:
        if self._progress:
            self._log(self._parent, self._progress, {}, {})
        self._progress, self._told = [], time.monotonic()

    def _push_summary(self) -> None:
        """Write mean scores, description and origin to the parent run; no trial waits for it."""
        summary = summarise(self._store, lambda record: self._setting(record)[0])
        note = parent_note(self._store.experiment, self._plan, summary.counts, summary.means)
        tags = _note_tags(note, self._client.get_run(self._parent).data.tags)
        origin = source_tags(summary.environment, self._store.experiment)
        self._log(self._parent, list(summary.metrics()), {},
                  {**tags, **{name: value for name, value in origin.items() if value}})

    def _log(self, run: str, metrics: list[Point], params: Mapping[str, str],
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
                                      start_time=milliseconds(started) if started else None)
        self._runs[trial, started] = str(run.info.run_id)
        return str(run.info.run_id)

    def _register(self, run: Any) -> None:
        attempt, running = _attempt(run), run.info.status == "RUNNING"
        self._runs[attempt] = str(run.info.run_id)
        self._names.learn(run.data.tags.get("setting", ""), run.data.tags.get("harness.setting", ""))
        if running:
            self._left_running.append(str(run.info.run_id))
        elif run.data.tags.get("harness.complete") == FORM:
            self._complete.add(attempt)
            self._ended["finished" if run.info.status == "FINISHED" else "not_finished"] += 1


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


def _note_tags(note: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a description; none where a person has written another one."""
    digest = hashlib.sha256(note.encode()).hexdigest()
    present = tags.get(NOTE)
    is_own = present is None or hashlib.sha256(present.encode()).hexdigest() == tags.get(NOTE_DIGEST)
    return {NOTE: note, NOTE_DIGEST: digest} if is_own else {}


def _drop_client_cache(run: str) -> None:
    """Remove an ended run from the cache of MLflow's client, which holds 9 KB for each of the last thousand runs."""
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).pop(run, None)


def _attempt(run: Any) -> Attempt:
    return run.data.tags.get("harness.id", ""), run.data.tags.get("harness.started", "")


def _attempt_of(record: Mapping[str, Any]) -> Attempt:
    return record["id"], record["started"]
