"""Synchronises the Optuna study with the store before a search goes on; the store wins."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.config.space import Params
from harness.errors import UsageError
from harness.search.pruner_readings import readings_after_seed
from harness.search.setting import Verdict, column_means, objective_values, params_in_space, setting_key
from harness.search.study import ENQUEUED, IDS, Study
from harness.search.trial_source import PlannedTrial
from harness.store.store import Store

Plan = Callable[[Params], tuple[PlannedTrial, ...]]


@dataclass
class SearchState:
    """The settings that have ``ended``, by key, those to ``retry``, and the ids of the trials spent on both.

    ``finished`` counts trials, ``enqueued`` holds the numbers of the enqueued settings that were proposed.
    """

    ended: dict[str, Verdict] = field(default_factory=dict)
    retry: list[Params] = field(default_factory=list)
    trials: set[str] = field(default_factory=set)
    finished: int = 0
    enqueued: set[int] = field(default_factory=set)


def sync_study(study: Study, store: Store, plan: Plan, warn: Callable[[str], None]) -> SearchState:
    """Make study and store agree; return the state of the search.

    Proposals that a killed coordinator left open fail and are tried again. Settings that only the store holds are added
    to the study. A study with results that the store does not hold is rebuilt from the store.
    """
    records = {record["id"]: record for record in store.records() if record["status"] != "stale"}
    state = SearchState()
    mismatch = _read_study(study, records, plan, state)
    if mismatch:
        warn(f"the study {study.name!r} does not agree with the records ({mismatch}); it is rebuilt from them")
        study.clear()
        state = SearchState(enqueued=state.enqueued)
    _add_from_store(study, store, records, plan, state)
    state.trials &= records.keys()
    state.finished = sum(records[trial]["status"] == "finished" for trial in state.trials)
    return state


def _read_study(study: Study, records: Mapping[str, Any], plan: Plan, state: SearchState) -> str:
    """Read the study's trials into the state; return the first that the records do not support, "" if none."""
    retry: dict[str, Params] = {}
    for trial in study.trials():
        if not trial.state.is_finished():
            study.fail_open(trial)
        if ENQUEUED in trial.user_attrs:
            state.enqueued.add(trial.user_attrs[ENQUEUED])
        if IDS not in trial.user_attrs:
            continue  # none of its seeds has started
        try:
            trials = plan(trial.params)
        except (KeyError, ValueError):
            return f"trial {trial.number}, whose parameters are lost"
        if trial.user_attrs[IDS] != [planned.id for planned in trials]:
            raise UsageError(f"the study {study.name!r} was begun with other data, weights or defaults: its number "
                             f"{trial.number} was {trial.user_attrs[IDS][0]} and is {trials[0].id} now; --new-study "
                             f"begins one beside it")
        key = setting_key(trials[0].spec)
        state.trials |= {planned.id for planned in trials}
        if trial.state.name == "COMPLETE":
            values = _setting_values(trials, records, study)
            if values is None or not all(map(math.isclose, values, trial.values or [math.nan])):
                return f"trial {trial.number}"
            state.ended[key] = "COMPLETE", values
        elif trial.state.name == "PRUNED":
            state.ended.setdefault(key, ("PRUNED", None))
        else:
            retry[key] = trial.params
    state.retry = [params for key, params in retry.items() if key not in state.ended]
    return ""


def _add_from_store(study: Study, store: Store, records: Mapping[str, Any], plan: Plan, state: SearchState) -> None:
    """Add settings to the study that only the store holds; those with missing seeds are tried again."""
    specs: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records.values(), key=lambda record: str(record["ended"])):
        if record["id"] not in state.trials:
            specs.setdefault(json.dumps({**record["spec"], "seed": 0}, sort_keys=True), record["spec"])
    for spec in specs.values():
        params = params_in_space(study.search, spec)
        if params is None:
            continue
        trials = plan(params)
        if not any(planned.id in records for planned in trials):
            continue  # the record has other data, weights or seeds
        state.trials |= {planned.id for planned in trials}
        values = _setting_values(trials, records, study)
        pruned = any(records.get(planned.id, {}).get("status") == "pruned" for planned in trials)
        if values is None and not pruned:
            state.retry.append(params)
            continue
        readings: dict[int, float] = {}
        by_trial = {planned.id: seed_values for planned in trials
                    if (seed_values := _trial_values(planned.id, records, study)) is not None}
        for number in range(1, len(by_trial) + 1):
            readings |= readings_after_seed(study.pruner, store, trials[:number], by_trial, study.search)
        verdict = "PRUNED" if values is None else "COMPLETE"
        study.add_ended(params, verdict, values, readings, {IDS: [planned.id for planned in trials]})
        state.ended[setting_key(trials[0].spec)] = verdict, values


def _setting_values(trials: tuple[PlannedTrial, ...], records: Mapping[str, Any],
                    study: Study) -> tuple[float, ...] | None:
    """Return a setting's mean objectives, None unless every seed has finished with them."""
    values = [_trial_values(planned.id, records, study) for planned in trials]
    return None if None in values else column_means([value for value in values if value is not None])


def _trial_values(trial: str, records: Mapping[str, Any], study: Study) -> tuple[float, ...] | None:
    record = records.get(trial)
    if record is None or record["status"] != "finished":
        return None
    return objective_values(record, study.search.objectives)
