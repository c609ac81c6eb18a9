"""Before a run: whatever a dead coordinator or a torn disk left is put in order, and named."""

from collections.abc import Mapping
from typing import Any

from harness.config.spec import TrialSpec
from harness.store.store import Store


def reconcile(store: Store) -> list[str]:
    """Put the store in order, return what was found, a line each; only for the process that holds the store's lock.

    A folder that is not whole is moved out of the trials. A trial that began and never ended becomes an interrupted
    record, which runs again.
    """
    found = []
    for trial, problem in store.unreadable().items():
        place = store.set_aside(trial)
        found.append(f"{store.path(trial)} is not trusted: {problem}; set aside as {place}")
    cut: dict[str, list[str]] = {}
    for trial, begun in store.orphans().items():
        if _has_ended(store.record(trial), begun):
            store.forget(trial)
            continue
        holder = f"process {begun.get('pid', '?')} on {begun.get('host', '?')} since {begun.get('since', '?')}"
        _note_interrupted(store, trial, begun, f"cut off when its coordinator died ({holder})")
        cut.setdefault(str(begun.get("pid", "?")), []).append(trial)
    for pid, trials in cut.items():
        found.append(f"{len(trials)} under way when process {pid} died, to be run again: {', '.join(trials)}")
    return found


def _has_ended(record: Mapping[str, Any] | None, begun: Mapping[str, Any]) -> bool:
    """Return whether the record is of the run that was noted as begun, or is finished and stands anyhow."""
    return record is not None and (record["status"] == "finished" or record["started"] == begun.get("since"))


def _note_interrupted(store: Store, trial: str, begun: Mapping[str, Any], reason: str) -> None:
    try:
        spec = TrialSpec.from_dict(begun["spec"])
    except (KeyError, TypeError, AttributeError, ValueError):  # torn, or of a version with other settings
        store.forget(trial)
        return
    store.fail(trial, spec, reason, {}, status="interrupted", fingerprints=begun.get("fingerprints", {}))
