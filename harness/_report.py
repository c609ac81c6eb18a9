"""What an experiment's `report:` block says."""

from collections.abc import Sequence

from harness._settings import described, mapping
from harness._yaml import Located
from harness.paths import at, is_meant
from harness.plugins import UsageError, nearest
from harness.spec import ReportSpec, TrialSpec

ABSENT = object()


def read_report(value: Located | None, axes: tuple[str, ...], trials: Sequence[TrialSpec]) -> ReportSpec:
    """Return the report's layout; its rows must be settings, and its baseline one of the rows."""
    given = mapping(value, "report") if value is not None and value.value is not None else {}
    known = ("rows", "baseline", "columns", "tests", "effects")
    for key, item in given.items():
        if key not in known:
            raise UsageError(f"{item.where}: report: unknown key {key!r}{nearest(key, known)}")
    plain = [trial.to_dict() for trial in trials]
    rows = _words(given["rows"], "report.rows") if "rows" in given else axes
    for row in rows:
        if all(at(trial, row, ABSENT) is ABSENT for trial in plain):
            raise UsageError(f"{given['rows'].where}: report.rows: no trial has a setting {row!r}{nearest(row, axes)}")
    baseline = dict(mapping(given["baseline"], "report.baseline")) if "baseline" in given else {}
    for path, wanted in baseline.items():
        if not any(is_meant(at(trial, path, ABSENT), wanted.plain) for trial in plain):
            raise UsageError(f"{wanted.where}: report.baseline: no trial has {path} = {wanted.plain}")
    columns, tests = (_words(given[key], f"report.{key}") if key in given else () for key in ("columns", "tests"))
    effects = _words(given["effects"], "report.effects") if "effects" in given else ()
    for path in effects:
        if len({str(at(trial, path, ABSENT)) for trial in plain} - {str(ABSENT)}) < 2:
            raise UsageError(f"{given['effects'].where}: report.effects: no two trials differ in a setting {path!r}"
                             f"{nearest(path, axes)}")
    return ReportSpec(rows, {path: wanted.plain for path, wanted in baseline.items()}, columns, tests, effects)


def _words(value: Located, label: str) -> tuple[str, ...]:
    items = value.value if isinstance(value.value, tuple) else ()
    if not items or not all(isinstance(item.value, str) for item in items):
        raise UsageError(f"{value.where}: {label}: expected a list of names, found {described(value)}")
    return tuple(item.value for item in items)
