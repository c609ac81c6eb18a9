"""Finding what a user names: a trial by the beginning of its id, a setting of an experiment by some of its knobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._options import recorded
from harness.config import dotted
from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.errors import AmbiguousId, UsageError, nearest
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.report.tables.rows import Group

SHORT = 8  # characters of an id that a reader is shown


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what the user called it, and its settings with their finished trials."""

    name: str
    groups: "tuple[Group, ...]"

    def words(self, group: "Group") -> str:
        """Return what one of the settings is called."""
        return f"{self.name}: {', '.join(group.labels)}" if group.labels else self.name


def trial(results: Path, given: str) -> tuple[Store, str]:
    """Return the store and the id of the trial whose id begins so; raise UsageError for none and for several."""
    found: dict[str, Store] = {}
    every: list[str] = []
    for name in recorded(results):
        store = Store(results, name)
        ids = sorted(known for known in store.started_ids() if store.path(known).is_dir())
        every += ids
        found |= {each: store for each in ids if each.startswith(given) and each not in found}
    if len(found) == 1:
        ((one, store),) = found.items()
        return store, one
    if found:
        named = ", ".join(f"{each[: max(SHORT, len(given) + 2)]} ({store.experiment})"
                          for each, store in sorted(found.items())[:4])
        raise AmbiguousId(f"{given!r} begins the ids of {len(found)} trials: {named}; write more of it")
    if given in recorded(results):
        raise UsageError(f"{given!r} is an experiment, not a trial; `harness status {given}` lists its trials")
    close = [each[:SHORT] for each in get_close_matches(given, every, n=3, cutoff=0.3)]
    guess = f"; nearest: {', '.join(close)}" if close else "; `harness status NAME` lists an experiment's trials"
    raise UsageError(f"{results}: no trial's id begins with {given!r}{guess}")


def side(results: Path, given: str, where: Mapping[str, Any]) -> Side:
    """Return the settings of an experiment that meet the conditions, or a single trial by the beginning of its id."""
    from harness.report.tables.rows import Group

    if given in recorded(results):
        return _meeting(given, settings(results, given), where)
    try:
        store, found = trial(results, given)
    except AmbiguousId:
        raise
    except UsageError:
        if not recorded(results):
            raise
        choices = nearest(given, recorded(results))
        raise UsageError(f"{results}: neither an experiment nor a trial is called {given!r}{choices}") from None
    if where:
        raise UsageError(f"--where chooses among an experiment's settings; {found[:SHORT]} is a single trial")
    record = store.record(found)
    if record is None or record["status"] != "finished":
        status = store.status(found)
        raise UsageError(f"trial {found[:SHORT]} of {store.experiment} is {status}; only finished ones are compared")
    return Side(f"{store.experiment} {found[:SHORT]}", (Group((), (record,), is_baseline=False),))


def settings(results: Path, experiment: str) -> "tuple[Group, ...]":
    """Return an experiment's settings with their finished trials, called as in its report."""
    from harness.cli import _report_files
    from harness.report.tables.rows import grouped

    store = Store(results, experiment)
    records = [record for record in store.records()
               if record["status"] == "finished" and record.get("results_version") == RESULTS_VERSION]
    if not records:
        raise UsageError(f"{experiment}: no trial has finished")
    layout = _report_files.noted(store)
    ordered = sorted(records, key=lambda record: str(record["started"]))
    return grouped(ordered, layout.report if layout else ReportSpec())[1]


def baseline(results: Path, experiment: str) -> Side:
    """Return the setting that an experiment's report names as baseline."""
    found = tuple(group for group in settings(results, experiment) if group.is_baseline)
    if not found:
        raise UsageError(f"{experiment}: its report names no baseline; say what to compare with a second --where")
    return Side(experiment, found)


def conditions(text: str) -> dict[str, Any]:
    """Return the settings that a --where names, such as fusion=blend,fusion.strength=0.5."""
    from harness.config.located_yaml import parse

    found = {}
    for part in text.split(","):
        path, sign, value = part.partition("=")
        if not sign or not path.strip():
            raise UsageError(f"--where {text}: expected SETTING=VALUE, several with commas between")
        found[path.strip()] = parse(value, f"--where {text}", lines=False).plain
    return found


def _meeting(experiment: str, groups: "Sequence[Group]", where: Mapping[str, Any]) -> Side:
    from harness.report.compare.setting_changes import text

    kept = list(groups)
    for path, wanted in where.items():
        values = [_value(group.records[0]["spec"], path) for group in groups]
        if all(value is _ABSENT for value in values):
            names = {name for group in groups for name in _names(group.records[0]["spec"])}
            raise UsageError(f"--where {path}: {experiment} has no setting {path!r}{nearest(path, sorted(names))}")
        chosen = [group for group in kept if _meets(_value(group.records[0]["spec"], path), wanted)]
        if not chosen:
            there = dict.fromkeys(text(value) for value in values if value is not _ABSENT)
            raise UsageError(f"--where {path}={text(wanted)}: {experiment} has no such finished trial"
                             f"{nearest(text(wanted), there)}")
        kept = chosen
    return Side(experiment, tuple(replace(group) for group in kept))


_ABSENT = object()


def _value(spec: Mapping[str, Any], path: str) -> Any:
    """Return a setting by its dotted name; a choice by its own name, losses by theirs."""
    value = dotted.get(spec, path, _ABSENT)
    if isinstance(value, Mapping):
        return value["name"] if "name" in value else tuple(value)
    return _ABSENT if path == "seed" else value  # seeds are what pairs the sides


def _meets(value: Any, wanted: Any) -> bool:
    if isinstance(value, list | tuple):
        return list(value) == (wanted if isinstance(wanted, list) else [wanted])
    return bool(value == wanted)


def _names(spec: Mapping[str, Any]) -> list[str]:
    from harness.report.compare.setting_changes import settings

    return [setting.name for setting in settings(spec)]
