"""The store: one folder per trial, written whole or not at all; what it holds is the truth.

``<results>/<experiment>/trials/<id>/`` holds ``record.json``, ``curve.parquet``, ``points.parquet``, ``fit.parquet``,
``scenes.parquet``, ``tokens.safetensors``, pictures, and ``traceback.txt`` where a trial raised. Hidden entries are the
store's own.
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

from harness.config.spec import RESULTS_VERSION, TrialSpec
from harness.store import lock
from harness.store.atomic_files import make_folder, put_file, recover, replace_file, size_of, write_folder
from harness.store.parquet_json import read_json, read_parquet, strict, to_parquet
from harness.store.record import KEPT, KINDS, Result, fault, of_other_version

STATUSES = (*KEPT, "running", "stale", "unreadable", "missing")
KEYS = tuple(KINDS)


class Store:
    """The records of one experiment. Reading needs nothing; writing is for the process that holds `lock`."""

    def __init__(self, results: Path | str, experiment: str) -> None:
        self.results = Path(results)
        self.experiment = experiment
        self.folder = self.results / experiment
        self.trials = self.folder / "trials"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the experiment for one coordinator and clean up after a killed one; raise UsageError when taken."""
        with lock.exclusive(self.folder / "lock.json"):
            recover(self.trials)
            yield

    @cached_property
    def identity(self) -> str:
        """Return the name of this very store, made once, so that mirrors on a shared server are told apart."""
        path = self.folder / "identity"
        if not path.exists():
            replace_file(path, uuid.uuid4().hex.encode())
        return path.read_text().strip()

    def path(self, trial: str) -> Path:
        """Return the folder of a trial."""
        return self.trials / trial

    def status(self, trial: str) -> str:
        """Return one of STATUSES: `stale` is of another results version, `unreadable` a torn or foreign folder."""
        kept = self._kept(trial)
        if kept != "missing":
            return kept
        marker = read_json(self._marker(trial))
        if marker is None:
            return "missing"
        return "running" if lock.alive(marker) else "interrupted"

    def known(self) -> set[str]:
        """Return the ids that have left any trace: a folder, or a marker of having begun."""
        if not self.trials.is_dir():
            return set()
        names = (path.name for path in self.trials.iterdir())
        return {name[1:].removesuffix(".started") if name.startswith(".") else name for name in names}

    def record(self, trial: str) -> dict[str, Any] | None:
        """Return a trial's record, scores that were null as NaN; None where there is none that can be trusted."""
        record, problem = self._read(trial)
        return None if problem else record

    def survey(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return every record that can be trusted, sorted by id, and why other folders are not, each read once."""
        read = {trial: self._read(trial) for trial in self._ids()}
        return ([record for record, problem in read.values() if not problem],
                {trial: problem for trial, (_, problem) in read.items() if problem})

    def records(self) -> list[dict[str, Any]]:
        """Return every record that can be trusted, whatever its status, sorted by id."""
        return self.survey()[0]

    def unreadable(self) -> dict[str, str]:
        """Return the folders that hold no whole record, and why."""
        return self.survey()[1]

    def points(self, trial: str) -> dict[str, list[Any]]:
        """Return the columns of points.parquet: one row per scene, view and keypoint."""
        return read_parquet(self.path(trial) / "points.parquet")

    def curve(self, trial: str) -> dict[str, list[float]]:
        """Return the columns of curve.parquet: one row per step."""
        return read_parquet(self.path(trial) / "curve.parquet")

    def fit(self, trial: str) -> dict[str, list[Any]]:
        """Return the columns of fit.parquet, one row per scene of the fit split; none of a record that is older."""
        path = self.path(trial) / "fit.parquet"
        return read_parquet(path) if path.is_file() else {}

    def tokens(self, trial: str) -> dict[str, Any]:
        """Return the tensors of tokens.safetensors."""
        from safetensors.torch import load_file

        return dict(load_file(self.path(trial) / "tokens.safetensors"))

    def begin(self, trial: str, spec: TrialSpec | None = None, fingerprints: Mapping[str, str] | None = None,
              attempts: Sequence[Mapping[str, Any]] = ()) -> str:
        """Note that a trial starts, so that a kill leaves a trace; return the time, which names this run of it.

        ``attempts`` are earlier ones: each a reason, a cause, when it ended and how it was run.
        """
        make_folder(self.trials)
        marker = {**lock.me(), "spec": spec and spec.to_dict(), "fingerprints": dict(fingerprints or {}),
                  "attempts": list(attempts)}
        put_file(self._marker(trial), json.dumps(marker).encode())
        return str(marker["since"])

    def again(self, trial: str, attempts: Sequence[Mapping[str, Any]]) -> None:
        """Note that a trial that has begun starts once more, after these attempts."""
        put_file(self._marker(trial), json.dumps({**(read_json(self._marker(trial)) or lock.me()),
                                                  "attempts": list(attempts)}).encode())

    def save(self, trial: str, spec: TrialSpec, result: Result, panels: Mapping[str, bytes],
             environment: Mapping[str, Any]) -> None:
        """Keep a trial's result; ``panels`` are PNG bytes by name. Scores that are not finite are kept as null."""
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
        self._put(trial, spec, head, environment, files)

    def fail(self, trial: str, spec: TrialSpec, reason: str, environment: Mapping[str, Any], *, status: str = "failed",
             fingerprints: Mapping[str, str] | None = None, traceback: str = "") -> None:
        """Keep a trial that gave no result, as ``failed`` or ``interrupted``; a finished record stays."""
        files = {"traceback.txt": traceback.encode()} if traceback else {}
        head = {"status": status, "reason": reason, "scores": {}, "cost": {}, "keypoints": [],
                "fingerprints": dict(fingerprints or {})}
        self._put(trial, spec, head, environment, files)

    def set_aside(self, trial: str) -> Path:
        """Move a folder that is not trusted out of the trials, as it is not ours to destroy; return where it lies."""
        place = self.folder / "set_aside" / f"{trial}-{time.time_ns()}"
        make_folder(place.parent)
        return self.path(trial).rename(place)

    def orphans(self) -> dict[str, dict[str, Any]]:
        """Return what was noted of each trial that began and left no newer record; all dead to the lock's holder."""
        found = {path.name[1:].removesuffix(".started"): path for path in self.trials.glob(".*.started")}
        return {trial: read_json(path) or {} for trial, path in sorted(found.items())}

    def forget(self, trial: str) -> None:
        """Drop the note that a trial began."""
        self._marker(trial).unlink(missing_ok=True)

    def _put(self, trial: str, spec: TrialSpec, head: dict[str, Any], environment: Mapping[str, Any],
             files: dict[str, bytes]) -> None:
        marker, before, ended = self._marker(trial), self._kept(trial), lock.now()
        begun = read_json(marker) or {}
        started = begun.get("since", ended)
        sizes = {name: len(content) for name, content in files.items()}
        record = {"id": trial, "experiment": self.experiment, "spec": spec.to_dict(), **head, "started": started,
                  "ended": ended, "environment": environment, "attempts": begun.get("attempts", []),
                  "results_version": RESULTS_VERSION, "files": sizes}
        if before == "unreadable":
            self.set_aside(trial)
        if before != "finished" or head["status"] == "finished":
            text = json.dumps(strict({key: record[key] for key in KEYS}), indent=1, allow_nan=False)
            write_folder(self.path(trial), {**files, "record.json": text.encode()})
        marker.unlink(missing_ok=True)

    def _kept(self, trial: str) -> str:
        """Return the status of what is kept of a trial, whether or not it is under way again."""
        if not self.path(trial).exists():
            return "missing"
        record, problem = self._read(trial)
        return "unreadable" if problem else str(record["status"])

    def _read(self, trial: str) -> tuple[dict[str, Any], str]:
        """Return a record and "", or what is wrong with the folder."""
        record = read_json(self.path(trial) / "record.json")
        if record is None:
            return {}, "no readable record.json"
        if (record.get("id"), record.get("experiment")) != (trial, self.experiment):
            return {}, f"it is the record of {record.get('experiment')}/{record.get('id')}"
        if record.get("results_version") != RESULTS_VERSION:
            return of_other_version(record), ""
        for late in ("attempts", "keypoints"):  # older records lack them
            record.setdefault(late, [])
        problem = fault(record) or self._torn(trial, record["files"])
        if problem:
            return {}, problem
        for kind in ("scores", "cost"):
            record[kind] = {name: math.nan if value is None else value for name, value in record[kind].items()}
        return record, ""

    def _torn(self, trial: str, files: Mapping[str, Any]) -> str:
        """Return which file has not the size it was written with, nothing where all have."""
        folder = os.fspath(self.path(trial))
        for name, size in files.items():
            if size_of(f"{folder}/{name}") != size:
                return f"{name} is missing or torn"
        return ""

    def _ids(self) -> list[str]:
        if not self.trials.is_dir():
            return []
        return sorted(path.name for path in self.trials.iterdir() if not path.name.startswith("."))

    def _marker(self, trial: str) -> Path:
        return self.trials / f".{trial}.started"
