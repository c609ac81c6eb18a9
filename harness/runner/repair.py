"""Repair of a store before a run, after a coordinator's death or damage to its files."""

from collections.abc import Mapping
from typing import Any

from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.store.renamed import how_to_rename
from harness.store.store import Store


def repair_store(store: Store) -> list[str]:
    """Repair the store and return a line for each problem; only for the process that holds the store's lock.

    A damaged folder is moved out of the trials. A trial that started and never ended gets an interrupted record, so
    that it runs again. Raises UsageError if the experiment's folder was renamed: nothing is damaged then.
    """
    lines = []
    unreadable = store.unreadable()
    if renamed := how_to_rename(store, unreadable):
        raise UsageError(f"{store.folder}: {renamed}")
    for trial, problem in unreadable.items():
        lines.append(f"{store.path(trial)} is not trusted: {problem}; set aside as {store.set_aside(trial)}")
    interrupted: dict[str, list[str]] = {}  # trials by the pid of their coordinator
    for trial, marker in store.start_markers().items():
        if _has_ended(store.record(trial), marker):
            store.remove_marker(trial)
            continue
        holder = f"process {marker.get('pid', '?')} on {marker.get('host', '?')} since {marker.get('since', '?')}"
        _write_interrupted(store, trial, marker, f"cut off when its coordinator died ({holder})")
        interrupted.setdefault(str(marker.get("pid", "?")), []).append(trial)
    for pid, trials in interrupted.items():
        lines.append(f"{len(trials)} under way when process {pid} died, to be run again: {', '.join(trials)}")
    return lines


def _has_ended(record: Mapping[str, Any] | None, marker: Mapping[str, Any]) -> bool:
    """Return True if the record is finished, or is of the run that the marker started."""
    return record is not None and (record["status"] == "finished" or record["started"] == marker.get("since"))


def _write_interrupted(store: Store, trial: str, marker: Mapping[str, Any], reason: str) -> None:
    try:
        spec = TrialSpec.from_dict(marker["spec"])
    except (KeyError, TypeError, AttributeError, ValueError):  # damaged, or of a version with other settings
        store.remove_marker(trial)
        return
    store.fail(trial, spec, reason, {}, status="interrupted", fingerprints=marker.get("fingerprints", {}))
