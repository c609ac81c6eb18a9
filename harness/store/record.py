"""What a record.json holds: every key, of the kind that its readers rely on, and the result that it is written from."""

from collections.abc import Mapping
from typing import Any, Protocol

KINDS: Mapping[str, type] = {
    "id": str, "experiment": str, "spec": dict, "scores": dict, "cost": dict, "status": str, "reason": str,
    "environment": dict, "fingerprints": dict, "started": str, "ended": str, "attempts": list, "keypoints": list,
    "results_version": int, "files": dict,
}
WORDS = {str: "text", dict: "a mapping", list: "a list", int: "a whole number"}
KEPT = ("finished", "failed", "pruned", "interrupted")  # what a trial of which something is kept has become
CHOICES = ("model", "data", "fusion", "selection")


class Result(Protocol):
    """What the store keeps of a trial's result; `harness.method.results.TrialResult` is one."""

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


def fault(record: Mapping[str, Any]) -> str:
    """Return what keeps a mapping from being a record, nothing where it is one."""
    wrong = [key for key, kind in KINDS.items() if not isinstance(record.get(key), kind)]
    if wrong:
        missing = [key for key in wrong if key not in record]
        return (f"record.json lacks {', '.join(missing)}" if missing else
                f"{wrong[0]} in record.json is not {WORDS[KINDS[wrong[0]]]}")
    if record["status"] not in KEPT:
        return f"status in record.json is {record['status']!r}"
    if not all(isinstance(attempt, dict) for attempt in record["attempts"]):
        return "attempts in record.json are not mappings"
    return _of_spec(record["spec"])


def of_other_version(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of another results version, empty where that version has something else, or nothing."""
    found = {key: record[key] if isinstance(record.get(key), kind) else kind() for key, kind in KINDS.items()}
    found["attempts"] = [attempt for attempt in found["attempts"] if isinstance(attempt, dict)]
    if _of_spec(found["spec"]):
        found["spec"] = {}
    return {**record, **found, "results_version": record.get("results_version"), "status": "stale"}


def _of_spec(spec: Mapping[str, Any]) -> str:
    """Return what keeps a mapping from being a trial's setting."""
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
