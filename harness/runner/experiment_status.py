"""An experiment's status, read from its folder: ended and running trials, speed, and time left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.runner.heartbeat import read_heartbeat
from harness.store import lock
from harness.store.store import Store

SILENCE = 120.0  # seconds without a heartbeat after which a run on another host is taken for dead


@dataclass(frozen=True)
class TrialStatus:
    """A trial's status and reason, its number of earlier attempts, and ``at``: its progress while it runs."""

    status: str
    reason: str = ""
    attempts: int = 0
    at: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ExperimentStatus:
    """The trials of an experiment by id, and ``run``, the last heartbeat, None if nothing ever ran.

    ``planned`` and ``left`` are that run's numbers of trials, None if unknown; failed trials count as left.
    """

    trials: Mapping[str, TrialStatus]
    run: Mapping[str, Any] | None
    alive: bool  # True while that run goes on
    planned: int | None
    left: int | None
    per_hour: float | None
    seconds_left: float | None

    @property
    def counts(self) -> dict[str, int]:
        """The number of trials with each status."""
        return dict(sorted(Counter(trial.status for trial in self.trials.values()).items()))


def experiment_status(store: Store) -> ExperimentStatus:
    """Return an experiment's status, also while another process runs it; writes nothing."""
    run = read_heartbeat(store.folder)
    alive = run is not None and _alive(run)
    records, unreadable = store.survey()
    trials = _trials(store, records, unreadable, run["running"] if run is not None and alive else {})
    if run is None:
        return ExperimentStatus(trials, None, False, None, None, None, None)
    left = None
    if run["total"] is not None:
        # The last heartbeat of a run that died may be older than its last records.
        ended = run["ended"] if alive else Counter(str(record["status"]) for record in records
                                                   if record["ended"] >= run["began"])
        left = max(0, run["total"] - run["skipped"] - ended.get("finished", 0) - ended.get("pruned", 0))
    rate = _per_hour(run) if alive else None
    seconds = 3600.0 * left / rate if left is not None and rate else None
    return ExperimentStatus(trials, run, alive, run["total"], left, rate, seconds)


def _alive(run: Mapping[str, Any]) -> bool:
    if run["over"] or not lock.alive(dict(run)):
        return False
    return bool(run["host"] == lock.process_identity()["host"]) or _seconds(lock.now()) - _seconds(run["at"]) < SILENCE


def _trials(store: Store, records: Sequence[Mapping[str, Any]], unreadable: Mapping[str, str],
            running: Mapping[str, Any]) -> dict[str, TrialStatus]:
    """Return the status of every trial that has a record, a damaged folder, or a start marker."""
    markers, statuses, records_by_id = store.start_markers(), {}, {record["id"]: record for record in records}
    for trial in sorted(store.started_ids()):
        record = records_by_id.get(trial)
        if trial in running:
            statuses[trial] = TrialStatus("running", "", running[trial]["attempt"] - 1, running[trial])
        elif record is not None:
            statuses[trial] = TrialStatus(str(record["status"]), str(record["reason"]), len(record["attempts"]))
        elif trial in markers:
            statuses[trial] = TrialStatus(store.status(trial), "", len(markers[trial].get("attempts", ())))
    return statuses | {trial: TrialStatus("unreadable", problem) for trial, problem in unreadable.items()}


def _per_hour(run: Mapping[str, Any]) -> float | None:
    """Return the number of trials that end per hour, None before the first."""
    ended = sum(count for status, count in run["ended"].items() if status != "interrupted")
    seconds = _seconds(run["at"]) - _seconds(run["began"])
    return 3600.0 * ended / seconds if ended and seconds > 0 else None


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
