"""Finds recorded trials and settings: a trial by the beginning of its id, a setting by some of its knobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from harness.cli._options import recorded_experiments
from harness.config import dotted
from harness.config.located_yaml import parse
from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.errors import AmbiguousId, UsageError, nearest
from harness.report.compare import setting_changes
from harness.report.tables.empty import why_empty
from harness.report.tables.rows import Group, group_records
from harness.store.store import Store

SHORT = 8  # characters of an id in messages


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name from the command line, and its settings with their finished trials."""

    name: str
    groups: tuple[Group, ...]

    def title(self, group: Group) -> str:
        """Return the name of one of the settings."""
        return f"{self.name}: {group.name}" if group.labels else self.name


def find_trial(results: Path, prefix: str) -> tuple[Store, str]:
    """Return the store and the id of the trial whose id begins with ``prefix``; UsageError for none or several."""
    matches: dict[str, Store] = {}
    all_ids: list[str] = []
    for name in recorded_experiments(results):
        store = Store(results, name)
        ids = sorted(trial for trial in store.started_ids() if store.path(trial).is_dir())
        all_ids += ids
        matches |= {trial: store for trial in ids if trial.startswith(prefix) and trial not in matches}
    if len(matches) == 1:
        ((trial, store),) = matches.items()
        return store, trial
    if matches:
        listed = ", ".join(f"{trial[: max(SHORT, len(prefix) + 2)]} ({store.experiment})"
                           for trial, store in sorted(matches.items())[:4])
        raise AmbiguousId(f"{prefix!r} begins the ids of {len(matches)} trials: {listed}; write more of it")
    if prefix in recorded_experiments(results):
        raise UsageError(f"{prefix!r} is an experiment, not a trial; `harness status {prefix}` lists its trials")
    close = [trial[:SHORT] for trial in get_close_matches(prefix, all_ids, n=3, cutoff=0.3)]
    guess = f"; nearest: {', '.join(close)}" if close else "; `harness status NAME` lists an experiment's trials"
    raise UsageError(f"{results}: no trial's id begins with {prefix!r}{guess}")


def find_side(results: Path, name: str, where: Mapping[str, Any]) -> Side:
    """Return an experiment's settings that match ``where``, or a single trial by the beginning of its id."""
    if name in recorded_experiments(results):
        return _matching(name, finished_settings(results, name), where)
    try:
        store, trial = find_trial(results, name)
    except AmbiguousId:
        raise
    except UsageError:
        if not recorded_experiments(results):
            raise
        choices = nearest(name, recorded_experiments(results))
        raise UsageError(f"{results}: neither an experiment nor a trial is called {name!r}{choices}") from None
    if where:
        raise UsageError(f"--where chooses among an experiment's settings; {trial[:SHORT]} is a single trial")
    record = store.record(trial)
    if record is None or record["status"] != "finished":
        status = store.status(trial)
        raise UsageError(f"trial {trial[:SHORT]} of {store.experiment} is {status}; only finished ones are compared")
    return Side(f"{store.experiment} {trial[:SHORT]}", (Group((), (record,), is_baseline=False),))


def finished_settings(results: Path, experiment: str) -> tuple[Group, ...]:
    """Return an experiment's settings with their finished trials, with the names of its report."""
    from harness.cli import _report_files

    store = Store(results, experiment)
    records = [record for record in store.records()
               if record["status"] == "finished" and record.get("results_version") == RESULTS_VERSION]
    if not records:
        raise UsageError(f"{experiment}: {why_empty(store.records(), None)}")
    layout = _report_files.read_layout(store)
    ordered = sorted(records, key=lambda record: str(record["started"]))
    return group_records(ordered, layout.report if layout else ReportSpec())[1]


def baseline_side(results: Path, experiment: str) -> Side:
    """Return the baseline setting of an experiment's report."""
    groups = tuple(group for group in finished_settings(results, experiment) if group.is_baseline)
    if not groups:
        raise UsageError(f"{experiment}: its report names no baseline; say what to compare with a second --where")
    return Side(experiment, groups)


def parse_where(text: str) -> dict[str, Any]:
    """Return the settings in the value of a --where flag, such as fusion=blend,fusion.strength=0.5."""
    settings = {}
    for part in text.split(","):
        path, sign, value = part.partition("=")
        if not sign or not path.strip():
            raise UsageError(f"--where {text}: expected SETTING=VALUE, several with commas between")
        settings[path.strip()] = parse(value, f"--where {text}", lines=False).plain
    return settings


def _matching(experiment: str, groups: Sequence[Group], where: Mapping[str, Any]) -> Side:
    text, remaining = setting_changes.text, list(groups)
    for path, expected in where.items():
        values = [_value(group.records[0]["spec"], path) for group in groups]
        if all(value is _ABSENT for value in values):
            names = {name for group in groups for name in _names(group.records[0]["spec"])}
            raise UsageError(f"--where {path}: {experiment} has no setting {path!r}{nearest(path, sorted(names))}")
        remaining = [group for group in remaining if _equals(_value(group.records[0]["spec"], path), expected)]
        if not remaining:
            existing = dict.fromkeys(text(value) for value in values if value is not _ABSENT)
            raise UsageError(f"--where {path}={text(expected)}: {experiment} has no such finished trial"
                             f"{nearest(text(expected), existing)}")
    return Side(experiment, tuple(replace(group) for group in remaining))


_ABSENT = object()


def _value(spec: Mapping[str, Any], path: str) -> Any:
    """Return a setting by its dotted path: of a choice its name, of the losses their names."""
    value = dotted.get(spec, path, _ABSENT)
    if isinstance(value, Mapping):
        return value["name"] if "name" in value else tuple(value)
    return _ABSENT if path == "seed" else value  # the sides are paired by seed


def _equals(value: Any, expected: Any) -> bool:
    if isinstance(value, list | tuple):
        return list(value) == (expected if isinstance(expected, list) else [expected])
    return bool(value == dotted.as_resolved(value, expected))


def _names(spec: Mapping[str, Any]) -> list[str]:
    return [setting.name for setting in setting_changes.settings(spec)]
