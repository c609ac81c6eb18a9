"""The records of an experiment on disk: one folder per trial, replaced as a whole; all else is derived from them.

``<results>/<experiment>/trials/<id>/`` holds ``record.json``, ``curve.parquet``, ``points.parquet``, ``fit.parquet``,
``scenes.parquet``, ``tokens.safetensors``, pictures, and ``traceback.txt`` if the trial raised an exception. Hidden
entries are start markers and partial writes.
"""

import json
import math
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config.spec import ADDED, RESULTS_VERSION, TrialSpec
from harness.store import lock
from harness.store.atomic_files import make_folder, recover, replace_file, replace_file_unsynced, size_of, write_folder
from harness.store.parquet_json import read_json, read_parquet, to_parquet, to_plain_json
from harness.store.record import KEY_TYPES, LATER, RECORD_STATUSES, Result, find_edit, find_fault, stale_record

STATUSES = (*RECORD_STATUSES, "running", "stale", "unreadable", "missing")


class Store:
    """The records of one experiment. Any process may read; only the process that holds `lock` may write.

    Args:
        results: the results folder, which may hold several experiments.
        experiment: the experiment's name, which is its folder's name.
        note: a text that is kept in every record written here; so are the ``tags``. They decide nothing of a result.

    Raises:
        UsageError: `lock`, if another coordinator holds the experiment; `points`, `curve`, `fit`, for a damaged file.
        OSError: any method that writes, if the disk refuses.

    Example:
        >>> from harness.config.load import load
        >>> from harness.method.results import TrialResult
        >>> spec, marks = load("quick").trials[0], {"data": "d1", "weights": "w1"}
        >>> trial, store = spec.id(*marks.values()), Store("results", "quick")
        >>> scores, curve, points = {"pck@0.1": 0.5}, {"step": [0.0], "loss": [2.0]}, {"scene": [0], "error": [1.5]}
        >>> with store.lock():
        ...     store.save(trial, spec, TrialResult("finished", "", scores, {}, curve, points, {}, None, marks), {}, {})
        >>> Store("results", "quick").record(trial)["scores"]
        {'pck@0.1': 0.5}
    """

    def __init__(self, results: Path | str, experiment: str, note: str = "", tags: Sequence[str] = ()) -> None:
        self.results = Path(results)
        self.experiment = experiment
        self.folder = self.results / experiment
        self.trials = self.folder / "trials"
        self._remarks: dict[str, Any] = {"note": note, "tags": list(tags)}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the experiment for one coordinator and resolve a killed one's writes; raise UsageError if it is held."""
        with lock.exclusive(self.folder / "lock.json"):
            recover(self.trials)
            yield

    @cached_property
    def identity(self) -> str:
        """Return a random name for this store, made once; it distinguishes stores that share an MLflow server."""
        path = self.folder / "identity"
        if not path.exists():
            replace_file(path, uuid.uuid4().hex.encode())
        return path.read_text().strip()

    def path(self, trial: str) -> Path:
        """Return the folder of a trial."""
        return self.trials / trial

    def status(self, trial: str) -> str:
        """Return one of STATUSES: `stale` is of another results version, `unreadable` a damaged or foreign folder."""
        recorded = self._recorded_status(trial)
        if recorded != "missing":
            return recorded
        marker = read_json(self._marker(trial))
        if marker is None:
            return "missing"
        return "running" if lock.alive(marker) else "interrupted"

    def started_ids(self) -> set[str]:
        """Return the ids of all trials that were ever started: they have a folder or a start marker."""
        if not self.trials.is_dir():
            return set()
        names = (path.name for path in self.trials.iterdir())
        return {name[1:].removesuffix(".started") if name.startswith(".") else name for name in names}

    def record(self, trial: str) -> dict[str, Any] | None:
        """Return a trial's record, with NaN for null scores; None if there is no valid one."""
        record, problem = self._read_record(trial)
        return None if problem else record

    def survey(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return every valid record, sorted by id, and the fault of each other folder by id; reads each folder once."""
        content = {trial: self._read_record(trial) for trial in self._folder_ids()}
        return ([record for record, problem in content.values() if not problem],
                {trial: problem for trial, (_, problem) in content.items() if problem})

    def records(self) -> list[dict[str, Any]]:
        """Return every valid record of any status, sorted by id."""
        return self.survey()[0]

    def unreadable(self) -> dict[str, str]:
        """Return the fault of each folder without a valid record, by id."""
        return self.survey()[1]

    def points(self, trial: str) -> dict[str, list[Any]]:
        """Return the columns of points.parquet: one row per scene, view and keypoint."""
        return read_parquet(self.path(trial) / "points.parquet")

    def curve(self, trial: str) -> dict[str, list[float]]:
        """Return the columns of curve.parquet: one row per step."""
        return read_parquet(self.path(trial) / "curve.parquet")

    def fit(self, trial: str) -> dict[str, list[Any]]:
        """Return the columns of fit.parquet, one row per scene of the fit split; empty for older records without it."""
        path = self.path(trial) / "fit.parquet"
        return read_parquet(path) if path.is_file() else {}

    def tokens(self, trial: str) -> dict[str, Any]:
        """Return the tensors of tokens.safetensors."""
        from safetensors.torch import load_file

        return dict(load_file(self.path(trial) / "tokens.safetensors"))

    def mark_started(self, trial: str, spec: TrialSpec | None = None, fingerprints: Mapping[str, str] | None = None,
                     attempts: Sequence[Mapping[str, Any]] = ()) -> str:
        """Write a start marker, which outlives a kill; return the start time, which identifies this run of the trial.

        ``attempts`` are earlier ones, each with its reason, cause, end and options.
        """
        make_folder(self.trials)
        marker = {**lock.process_identity(), "spec": spec and spec.to_dict(), "fingerprints": dict(fingerprints or {}),
                  "attempts": list(attempts)}
        replace_file_unsynced(self._marker(trial), json.dumps(marker).encode())
        return str(marker["since"])

    def mark_retried(self, trial: str, attempts: Sequence[Mapping[str, Any]]) -> None:
        """Add the failed attempts to the start marker of a trial that is tried again."""
        marker = {**(read_json(self._marker(trial)) or lock.process_identity()), "attempts": list(attempts)}
        replace_file_unsynced(self._marker(trial), json.dumps(marker).encode())

    def save(self, trial: str, spec: TrialSpec, result: Result, panels: Mapping[str, bytes],
             environment: Mapping[str, Any]) -> None:
        """Write a trial's result; ``panels`` are PNG bytes by name. Scores that are not finite become null."""
        from safetensors.torch import save

        tokens = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in result.tokens.items()}
        files = {
            "curve.parquet": to_parquet(result.curve),
            "points.parquet": to_parquet(result.points),
            "fit.parquet": to_parquet(result.fit),
            **({"scenes.parquet": to_parquet(result.scenes)} if result.scenes else {}),
            **({"probes.parquet": to_parquet(result.probes)} if result.probes else {}),
            "tokens.safetensors": save(tokens),
            **{f"{name}.png": picture for name, picture in panels.items()},
        }
        head = {"status": result.status, "reason": result.reason, "scores": result.scores, "cost": result.cost,
                "fingerprints": result.fingerprints, "keypoints": list(result.keypoints)}
        self._write(trial, spec, head, environment, files)

    def fail(self, trial: str, spec: TrialSpec, reason: str, environment: Mapping[str, Any], *, status: str = "failed",
             fingerprints: Mapping[str, str] | None = None, traceback: str = "") -> None:
        """Write the record of a trial without a result, with this status; a finished record is never replaced."""
        files = {"traceback.txt": traceback.encode()} if traceback else {}
        head = {"status": status, "reason": reason, "scores": {}, "cost": {}, "keypoints": [],
                "fingerprints": dict(fingerprints or {})}
        self._write(trial, spec, head, environment, files)

    def set_aside(self, trial: str) -> Path:
        """Move a folder without a valid record out of the trials instead of deleting it; return its new place."""
        place = self.folder / "set_aside" / f"{trial}-{time.time_ns()}"
        make_folder(place.parent)
        return self.path(trial).rename(place)

    def start_markers(self) -> dict[str, dict[str, Any]]:
        """Return the start markers of trials without a newer record, by id; with the lock held, none of them runs."""
        paths = {path.name[1:].removesuffix(".started"): path for path in self.trials.glob(".*.started")}
        return {trial: read_json(path) or {} for trial, path in sorted(paths.items())}

    def remove_marker(self, trial: str) -> None:
        """Remove a trial's start marker."""
        self._marker(trial).unlink(missing_ok=True)

    def _write(self, trial: str, spec: TrialSpec, head: dict[str, Any], environment: Mapping[str, Any],
               files: dict[str, bytes]) -> None:
        before, ended = self._recorded_status(trial), lock.now()
        marker = read_json(self._marker(trial)) or {}
        started = marker.get("since", ended)
        sizes = {name: len(content) for name, content in files.items()}
        record = {"id": trial, "experiment": self.experiment, "spec": spec.to_dict(), **head, "started": started,
                  "ended": ended, "environment": environment, "attempts": marker.get("attempts", []),
                  "results_version": RESULTS_VERSION, "files": sizes, **self._remarks}
        if before == "unreadable":
            self.set_aside(trial)
        if before != "finished" or head["status"] == "finished":
            text = json.dumps(to_plain_json({key: record[key] for key in KEY_TYPES}), indent=1, allow_nan=False)
            write_folder(self.path(trial), {**files, "record.json": text.encode()})
        self.remove_marker(trial)

    def _recorded_status(self, trial: str) -> str:
        """Return the status in a trial's record, also if the trial is running again."""
        if not self.path(trial).exists():
            return "missing"
        record, problem = self._read_record(trial)
        return "unreadable" if problem else str(record["status"])

    def _read_record(self, trial: str) -> tuple[dict[str, Any], str]:
        """Return a record and "", or an empty one and a message about the folder's fault."""
        record = read_json(self.path(trial) / "record.json")
        if record is None:
            return {}, "no readable record.json"
        if (record.get("id"), record.get("experiment")) != (trial, self.experiment):
            renamed = ", since its folder was renamed" if record.get("id") == trial else ""
            return {}, f"it is the record of {record.get('experiment')}/{record.get('id')}{renamed}"
        if record.get("results_version") != RESULTS_VERSION:
            return stale_record(record), ""
        for key, empty in LATER.items():
            record.setdefault(key, empty())
        if isinstance(record.get("spec"), dict):
            record["spec"] = {**record["spec"], **{k: v for k, v in ADDED.items() if k not in record["spec"]}}
        problem = find_fault(record) or find_edit(record) or self._find_wrong_size(trial, record["files"])
        if problem:
            return {}, problem
        for kind in ("scores", "cost"):
            record[kind] = {name: math.nan if value is None else value for name, value in record[kind].items()}
        return record, ""

    def _find_wrong_size(self, trial: str, files: Mapping[str, Any]) -> str:
        """Return a message naming the first file with a wrong size, "" if none."""
        folder = os.fspath(self.path(trial))
        for name, size in files.items():
            if size_of(f"{folder}/{name}") != size:
                return f"{name} is missing or torn"
        return ""

    def _folder_ids(self) -> list[str]:
        if not self.trials.is_dir():
            return []
        return sorted(path.name for path in self.trials.iterdir() if not path.name.startswith("."))

    def _marker(self, trial: str) -> Path:
        return self.trials / f".{trial}.started"
