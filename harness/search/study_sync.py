"""The study put in order with the store, which is the truth: before a search goes on, and after a study was lost."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.config.space import Params
from harness.errors import UsageError
from harness.search.pruner_readings import after_seed
from harness.search.setting import Verdict, key_of, located, mean, values_of
from harness.search.study import ENQUEUED, IDS, Study
from harness.search.trial_source import Planned
from harness.store.store import Store

Plan = Callable[[Params], tuple[Planned, ...]]


@dataclass
class Known:
    """What a search starts with: settings that have ended, those to try again, and the trials spent on all of them."""

    closed: dict[str, Verdict] = field(default_factory=dict)
    again: list[Params] = field(default_factory=list)
    trials: set[str] = field(default_factory=set)
    finished: int = 0
    enqueued: set[int] = field(default_factory=set)


def reconcile(study: Study, store: Store, plan: Plan, warn: Callable[[str], None]) -> Known:
    """Return what is known of the study's settings, after both sides were made to agree.

    Proposals that a dead coordinator left open are failed and come again; what the store holds as finished and the
    study does not know is told; a study that claims what the store does not hold is made again from the store.
    """
    records = {record["id"]: record for record in store.records() if record["status"] != "stale"}
    known = Known()
    found = _study_side(study, records, plan, known)
    if found:
        warn(f"the study {study.name!r} does not agree with the records ({found}); it is made again from them")
        study.restart()
        known = Known(enqueued=known.enqueued)
    _store_side(study, store, records, plan, known)
    known.trials &= records.keys()
    known.finished = sum(records[trial]["status"] == "finished" for trial in known.trials)
    return known


def _study_side(study: Study, records: Mapping[str, Any], plan: Plan, known: Known) -> str:
    """Take in the study's trials; return in what it claims more than there is."""
    again: dict[str, Params] = {}
    for trial in study.trials():
        if not trial.state.is_finished():
            study.give_up(trial)
        if ENQUEUED in trial.user_attrs:
            known.enqueued.add(trial.user_attrs[ENQUEUED])
        if IDS not in trial.user_attrs:
            continue  # nothing of it has begun
        try:
            trials = plan(trial.params)
        except (KeyError, ValueError):
            return f"trial {trial.number}, whose parameters are lost"
        if trial.user_attrs[IDS] != [planned.id for planned in trials]:
            raise UsageError(f"the study {study.name!r} was begun with other data, weights or defaults: its number "
                             f"{trial.number} was {trial.user_attrs[IDS][0]} and is {trials[0].id} now; --new-study "
                             f"begins one beside it")
        key = key_of(trials[0].spec)
        known.trials |= {planned.id for planned in trials}
        if trial.state.name == "COMPLETE":
            values = _finished(trials, records, study)
            if values is None or not all(map(math.isclose, values, trial.values or [math.nan])):
                return f"trial {trial.number}"
            known.closed[key] = "COMPLETE", values
        elif trial.state.name == "PRUNED":
            known.closed.setdefault(key, ("PRUNED", None))
        else:
            again[key] = trial.params
    known.again = [params for key, params in again.items() if key not in known.closed]
    return ""


def _store_side(study: Study, store: Store, records: Mapping[str, Any], plan: Plan, known: Known) -> None:
    """Tell the study of settings that the store holds and it does not know; those half done come again."""
    unknown: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records.values(), key=lambda record: str(record["ended"])):
        if record["id"] not in known.trials:
            unknown.setdefault(json.dumps({**record["spec"], "seed": 0}, sort_keys=True), record["spec"])
    for spec in unknown.values():
        params = located(study.search, spec)
        if params is None:
            continue
        trials = plan(params)
        if not any(planned.id in records for planned in trials):
            continue  # of other data, weights or seeds
        known.trials |= {planned.id for planned in trials}
        values = _finished(trials, records, study)
        pruned = any(records.get(planned.id, {}).get("status") == "pruned" for planned in trials)
        if values is None and not pruned:
            known.again.append(params)
            continue
        readings: dict[int, float] = {}
        done = {planned.id: found for planned in trials
                if (found := _values(planned.id, records, study)) is not None}
        for number in range(1, len(done) + 1):
            readings |= after_seed(study.pruner, store, trials[:number], done, study.search)
        state = "PRUNED" if values is None else "COMPLETE"
        study.add(params, state, values, readings, {IDS: [planned.id for planned in trials]})
        known.closed[key_of(trials[0].spec)] = state, values


def _finished(trials: tuple[Planned, ...], records: Mapping[str, Any], study: Study) -> tuple[float, ...] | None:
    """Return a setting's objectives, None unless every seed has finished with them."""
    values = [_values(planned.id, records, study) for planned in trials]
    return None if None in values else mean([value for value in values if value is not None])


def _values(trial: str, records: Mapping[str, Any], study: Study) -> tuple[float, ...] | None:
    record = records.get(trial)
    if record is None or record["status"] != "finished":
        return None
    return values_of(record, study.search.objectives)
