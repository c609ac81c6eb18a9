"""The content of record.json: its keys, their types, and checks of both."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from harness.config.spec import id_of

KEY_TYPES: Mapping[str, type] = {
    "id": str, "experiment": str, "spec": dict, "scores": dict, "cost": dict, "status": str, "reason": str,
    "environment": dict, "fingerprints": dict, "started": str, "ended": str, "attempts": list, "keypoints": list,
    "results_version": int, "files": dict, "note": str, "tags": list,
}
LATER: Mapping[str, type] = {"attempts": list, "keypoints": list, "note": str, "tags": list}  # older records lack them
WORDS = {str: "text", dict: "a mapping", list: "a list", int: "a whole number"}
RECORD_STATUSES = ("finished", "failed", "pruned", "interrupted")  # of trials that have a record
HASH = re.compile("[0-9a-f]{16}")
CHOICES = ("model", "data", "fusion", "selection")


class Result(Protocol):
    """The part of a trial's result that the store saves; `harness.method.results.TrialResult` has it."""

    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def scores(self) -> dict[str, float]: ...  # noqa: D102
    @property
    def cost(self) -> dict[str, float]: ...  # noqa: D102
    @property
    def curve(self) -> dict[str, list[float]]: ...  # noqa: D102
    @property
    def points(self) -> dict[str, list[Any]]: ...  # noqa: D102
    @property
    def tokens(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def fit(self) -> Mapping[str, list[Any]]: ...  # noqa: D102
    @property
    def scenes(self) -> Mapping[str, list[Any]]: ...  # noqa: D102
    @property
    def probes(self) -> Mapping[str, list[Any]]: ...  # noqa: D102
    @property
    def keypoints(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def fingerprints(self) -> dict[str, str]: ...  # noqa: D102


def find_fault(record: Mapping[str, Any]) -> str:
    """Return a message about the first fault of a record, "" if it has none."""
    wrong = [key for key, kind in KEY_TYPES.items() if not isinstance(record.get(key), kind)]
    if wrong:
        missing = [key for key in wrong if key not in record]
        return (f"record.json lacks {', '.join(missing)}" if missing else
                f"{wrong[0]} in record.json is not {WORDS[KEY_TYPES[wrong[0]]]}")
    if record["status"] not in RECORD_STATUSES:
        return f"status in record.json is {record['status']!r}"
    if not all(isinstance(attempt, dict) for attempt in record["attempts"]):
        return "attempts in record.json are not mappings"
    if not all(isinstance(tag, str) for tag in record["tags"]):
        return "tags in record.json are not texts"
    return _find_spec_fault(record["spec"])


def find_edit(record: Mapping[str, Any]) -> str:
    """Return a message if the id is not that of the record's setting and fingerprints, "" if it is.

    Such a record is of a setting that never ran: a report would leave it out or show it in another row, and its own
    setting would count as done. Two kinds cannot be checked: a record without fingerprints, of a trial that failed
    early, and one with a null in its setting, which may have been an infinity.
    """
    prints = [record["fingerprints"].get(kind) for kind in ("data", "weights")]
    if not HASH.fullmatch(record["id"]) or not all(isinstance(text, str) for text in prints):
        return ""
    if _has_null(record["spec"]):
        return ""
    found = id_of(record["spec"], *prints)
    return "" if found == record["id"] else (
        f"spec or fingerprints in record.json were changed after the trial ran: they are those of {found}")


def _has_null(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_has_null, inner))


def stale_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of another results version with status `stale`; values of a wrong type become empty ones."""
    values = {key: record[key] if isinstance(record.get(key), kind) else kind() for key, kind in KEY_TYPES.items()}
    values["attempts"] = [attempt for attempt in values["attempts"] if isinstance(attempt, dict)]
    if _find_spec_fault(values["spec"]):
        values["spec"] = {}
    return {**record, **values, "results_version": record.get("results_version"), "status": "stale"}


def _find_spec_fault(spec: Mapping[str, Any]) -> str:
    """Return a message about the first fault of a trial's setting, "" if it has none."""
    if type(spec.get("seed")) is not int:  # True is one too
        return "spec in record.json has no seed"
    for key in CHOICES:
        choice = spec.get(key)
        if not isinstance(choice, dict) or not isinstance(choice.get("name"), str):
            return f"spec in record.json names no {key}"
    losses = spec.get("losses")
    if not isinstance(losses, dict) or not all(isinstance(knobs, dict) for knobs in losses.values()):
        return "spec in record.json names no losses"
    return ""
