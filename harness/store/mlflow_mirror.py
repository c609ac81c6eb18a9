"""The MLflow side of the mirror: which run stands for which attempt, and what is written to it.

Only MlflowClient is used, with explicit addresses: the fluent interface keeps global state, reports a run that was
interrupted as finished, and loses its parent when MLFLOW_RUN_ID is set. A run stands for one attempt at one trial,
named by the tags ``harness.id`` and ``harness.started``; what is pushed to it carries fixed times, so that pushing
again changes nothing. ``harness.complete`` marks a run that holds all there is, once it is no longer RUNNING.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.store.mlflow_server import connect, experiment_of, find_experiment, runs_of
from harness.store.store import Store
from harness.store.urls import shown

STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "interrupted": "KILLED"}
Attempt = tuple[str, str]  # a trial, and when it was started
PARENT: Attempt = ("", "")
BATCH = 850  # metrics in one request, with room for params and tags; MLflow refuses more than 1000 in all
PARAMS = 100  # the same for params
LONGEST_PARAM = 6000  # characters; MLflow cuts silently, the whole spec is in record.json
LONGEST_CURVE = 1000  # points of one curve; longer ones are thinned, curve.parquet holds them all
ATTACHED = ("best.yaml", "report.*", "figures/*")  # of an experiment's folder, to its parent run


class Mirror:
    """The runs of one experiment: a parent, and a child per attempt. Imports mlflow; connects when it is made."""

    def __init__(self, store: Store, uri: str) -> None:
        client = connect(uri)
        self._store, self._client = store, client
        self._experiment = experiment_of(client, store, uri)
        self._runs: dict[Attempt, str] = {}  # ids alone: what MLflow says of a run is large, and there may be many
        self._whole: set[Attempt] = set()
        self._left_running: list[str] = []
        for run in runs_of(client, store, self._experiment):
            self._note(run)
        self._parent = self._runs.get(PARENT) or self._create(*PARENT, store.experiment, {})

    def reconcile(self) -> None:
        """Close as KILLED what a dead coordinator left RUNNING; only for the process that holds the store's lock."""
        for run in self._left_running:
            self._client.set_terminated(run, "KILLED")
        self._left_running = []

    def catch_up(self) -> int:
        """Push every record that is not told yet, return how many; those of another results version are left alone."""
        records = (self._store.record(trial) for trial in sorted(self._store.known()))
        return sum(self.push(record) for record in records if record is not None and record["status"] != "stale")

    def resume(self) -> None:
        """Say that the experiment is running."""
        self._client.update_run(self._parent, status="RUNNING")

    def end(self, status: str) -> None:
        """Say how the experiment ended: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self._parent, status)

    def attach(self) -> None:
        """Write the experiment's own files, such as its figures, to the parent run."""
        folder = self._store.folder
        for path in sorted(path for pattern in ATTACHED for path in folder.glob(pattern) if path.is_file()):
            place = path.parent.relative_to(folder)
            self._client.log_artifact(self._parent, str(path), None if place == Path() else place.as_posix())

    def start(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> str:
        """Open the run of an attempt, with its params; return its id, also when it is there already."""
        run = self._runs.get((trial, started))
        if run is None:
            run = self._create(trial, started, label, spec)
            self._log(run, [], flat(spec), {})
        return run

    def push(self, record: Mapping[str, Any], label: str = "") -> bool:
        """Write a whole record to its attempt's run; return False when the run held it already."""
        attempt = record["id"], record["started"]
        if attempt in self._whole:
            return False
        run = self._runs.get(attempt) or self._create(*attempt, label or _label(record["spec"]), record["spec"])
        began, ended = _milliseconds(record["started"]), _milliseconds(record["ended"])
        self._client.log_artifacts(run, str(self._store.path(record["id"])))
        metrics, tags = list(self._metrics(record, began, ended)), {**_tags(record), "harness.complete": "true"}
        self._log(run, metrics, flat(record["spec"]), tags)  # params again: the same ones change nothing
        self._client.set_terminated(run, STATUS[record["status"]], end_time=ended)
        self._whole.add(attempt)
        self._runs.pop(attempt, None)
        _let_go(run)
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
        kept = sorted({*range(0, rows, stride), rows - 1}) if rows else []
        for row in kept:
            time = began + (ended - began) * (row + 1) // rows
            step = int(curve["step"][row]) if "step" in curve else row
            for name, column in curve.items():
                if name != "step":
                    yield metric_name(f"curve/{name}"), column[row], time, step

    def _log(self, run: str, metrics: list[tuple[str, float, int, int]], params: Mapping[str, str],
             tags: Mapping[str, str]) -> None:
        """Write metrics and params in as few requests as MLflow takes, the tags with the last one."""
        from mlflow.entities import Metric, Param, RunTag

        # MLflow turns an infinity into 1.8e308; not a number is what it is.
        points = [Metric(name, value if math.isfinite(value) else math.nan, time, step)
                  for name, value, time, step in metrics]
        words = [Param(name, value) for name, value in params.items()]
        count = max(1, math.ceil(len(points) / BATCH), math.ceil(len(words) / PARAMS))
        for i in range(count):
            last = [RunTag(name, value) for name, value in tags.items()] if i == count - 1 else []
            self._client.log_batch(run, metrics=points[i * BATCH:(i + 1) * BATCH],
                                   params=words[i * PARAMS:(i + 1) * PARAMS], tags=last)

    def _create(self, trial: str, started: str, label: str, spec: Mapping[str, Any]) -> str:
        tags = {"mlflow.runName": label, "harness.store": self._store.identity, "harness.id": trial,
                "harness.started": started}
        if trial:
            tags |= {"mlflow.parentRunId": self._parent, "harness.config.spec": _digest(spec)}
        run = self._client.create_run(self._experiment, tags=tags,
                                      start_time=_milliseconds(started) if started else None)
        self._runs[trial, started] = str(run.info.run_id)
        return str(run.info.run_id)

    def _note(self, run: Any) -> None:
        """Keep what is needed of a run that is there."""
        attempt, running = _attempt(run), run.info.status == "RUNNING"
        self._runs[attempt] = str(run.info.run_id)
        if running:
            self._left_running.append(str(run.info.run_id))
        elif run.data.tags.get("harness.complete"):
            self._whole.add(attempt)


def pages(store: Store, uri: str) -> dict[Attempt, str]:
    """Return the page of every attempt's run on an MLflow server; none where nothing was pushed. Writes nothing."""
    if not (store.folder / "identity").exists():
        return {}
    client = connect(uri)
    found, _ = find_experiment(client, store, uri)
    runs = runs_of(client, store, str(found.experiment_id)) if found else ()
    return {_attempt(run): f"{shown(uri).rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
            for run in runs if _attempt(run) != PARENT}


def flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted names and text, cut at LONGEST_PARAM."""
    out: dict[str, str] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            out[f"{prefix}{key}"] = text if len(text) <= LONGEST_PARAM else text[:LONGEST_PARAM - 3] + "..."
    return out


def metric_name(name: str) -> str:
    """Return a score's name in the characters that MLflow takes: `pck@0.1` becomes `pck_at_0.1`."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name.replace("@", "_at_"))


def _let_go(run: str) -> None:
    """Drop what MLflow's client keeps of a run that nothing more goes to: 9 KB each, of the last thousand of them."""
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).pop(run, None)


def _attempt(run: Any) -> Attempt:
    return run.data.tags.get("harness.id", ""), run.data.tags.get("harness.started", "")


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    tags = {"harness.status": record["status"], "harness.reason": record["reason"][:LONGEST_PARAM],
            "mlflow.source.git.commit": record["environment"].get("git_commit") or "",
            "harness.attempts": str(len(record["attempts"]) + 1),
            **{f"harness.{name}": value for name, value in record["fingerprints"].items()}}
    return {name: str(value) for name, value in tags.items() if value}


def _label(spec: Mapping[str, Any]) -> str:
    return f"{spec['fusion']['name']} {spec['model']['name']} seed={spec['seed']}"


def _digest(spec: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _milliseconds(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp() * 1000)
