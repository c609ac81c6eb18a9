"""How an experiment stands, from its folder alone: what ended and how, what runs where, how fast, what is left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.runner import heartbeat
from harness.store import lock
from harness.store.store import Store

SILENCE = 120.0  # seconds without a heartbeat after which a run on another host counts as dead


@dataclass(frozen=True)
class Trial:
    """One trial's status, why, and how many attempts came before; of one under way, where it stands."""

    status: str
    reason: str = ""
    attempts: int = 0
    at: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Standing:
    """``run`` is the last heartbeat, None where nothing ever ran; ``alive`` says whether that run still goes on.

    ``planned`` and ``left`` are of that run, None where they are not known; what has failed is left.
    """

    trials: Mapping[str, Trial]
    run: Mapping[str, Any] | None
    alive: bool
    planned: int | None
    left: int | None
    per_hour: float | None
    seconds_left: float | None

    @property
    def counts(self) -> dict[str, int]:
        """How many trials have each status."""
        return dict(sorted(Counter(trial.status for trial in self.trials.values()).items()))


def standing(store: Store) -> Standing:
    """Return how an experiment stands now; reads only, also while another process runs it."""
    run = heartbeat.read(store.folder)
    alive = run is not None and _alive(run)
    records, unreadable = store.survey()
    trials = _trials(store, records, unreadable, run["running"] if run is not None and alive else {})
    if run is None:
        return Standing(trials, None, False, None, None, None, None)
    left = None
    if run["total"] is not None:
        # What a run that died has written last may be older than its last records.
        ended = run["ended"] if alive else Counter(str(each["status"]) for each in records
                                                   if each["ended"] >= run["began"])
        left = max(0, run["total"] - run["skipped"] - ended.get("finished", 0) - ended.get("pruned", 0))
    rate = _per_hour(run) if alive else None
    seconds = 3600.0 * left / rate if left is not None and rate else None
    return Standing(trials, run, alive, run["total"], left, rate, seconds)


def _alive(run: Mapping[str, Any]) -> bool:
    if run["over"] or not lock.alive(dict(run)):
        return False
    return bool(run["host"] == lock.me()["host"]) or _seconds(lock.now()) - _seconds(run["at"]) < SILENCE


def _trials(store: Store, records: Sequence[Mapping[str, Any]], unreadable: Mapping[str, str],
            running: Mapping[str, Any]) -> dict[str, Trial]:
    """Return every trial that left a trace: a record, a folder that is none, or a note that it began."""
    begun, found, kept = store.orphans(), {}, {record["id"]: record for record in records}
    for trial in sorted(store.known()):
        record = kept.get(trial)
        if trial in running:
            found[trial] = Trial("running", "", running[trial]["attempt"] - 1, running[trial])
        elif record is not None:
            found[trial] = Trial(str(record["status"]), str(record["reason"]), len(record["attempts"]))
        elif trial in begun:
            found[trial] = Trial(store.status(trial), "", len(begun[trial].get("attempts", ())))
    return found | {trial: Trial("unreadable", problem) for trial, problem in unreadable.items()}


def _per_hour(run: Mapping[str, Any]) -> float | None:
    """Return how many trials end in an hour, None before the first."""
    ended = sum(count for status, count in run["ended"].items() if status != "interrupted")
    seconds = _seconds(run["at"]) - _seconds(run["began"])
    return 3600.0 * ended / seconds if ended and seconds > 0 else None


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
