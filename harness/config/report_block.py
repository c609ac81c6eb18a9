"""What an experiment's `report:` block says."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from harness.config.dotted import at, is_meant
from harness.config.located_yaml import Located
from harness.config.scores import score
from harness.config.settings import described, mapping
from harness.config.spec import Published, ReportSpec, TrialSpec
from harness.errors import UsageError, nearest

ABSENT = object()


def read_report(value: Located | None, axes: tuple[str, ...], trials: Sequence[TrialSpec], *,
                searched: bool = False) -> ReportSpec:
    """Return the report's layout; its rows must be settings, and its baseline one of the rows.

    Among ``trials`` occurs every value of every setting; of what is ``searched``, every two values that go together.
    """
    given = mapping(value, "report") if value is not None and value.value is not None else {}
    known = ("rows", "baseline", "columns", "tests", "effects", "published")
    for key, item in given.items():
        if key not in known:
            raise UsageError(f"{item.where}: report: unknown key {key!r}{nearest(key, known)}")
    plain = [trial.to_dict() for trial in trials]
    rows = _words(given["rows"], "report.rows") if "rows" in given else axes
    for row in rows:
        if all(at(trial, row, ABSENT) is ABSENT for trial in plain):
            raise UsageError(f"{given['rows'].where}: report.rows: no trial has a setting {row!r}{nearest(row, axes)}")
    baseline = dict(mapping(given["baseline"], "report.baseline")) if "baseline" in given else {}
    for paths in _at_once(baseline, searched=searched):
        if not any(all(is_meant(at(trial, path, ABSENT), baseline[path].plain) for path in paths) for trial in plain):
            words = " and ".join(f"{path} = {baseline[path].plain}" for path in paths)
            raise UsageError(f"{baseline[paths[-1]].where}: report.baseline: no trial has {words}")
    columns, tests = (_words(given[key], f"report.{key}") if key in given else () for key in ("columns", "tests"))
    effects = _words(given["effects"], "report.effects") if "effects" in given else ()
    for path in effects:
        if len({str(at(trial, path, ABSENT)) for trial in plain} - {str(ABSENT)}) < 2:
            raise UsageError(f"{given['effects'].where}: report.effects: no two trials differ in a setting {path!r}"
                             f"{nearest(path, axes)}")
    published = _published(given["published"], plain) if "published" in given else ()
    plain_baseline = {path: wanted.plain for path, wanted in baseline.items()}
    return ReportSpec(rows, plain_baseline, columns, tests, effects, published)


def _at_once(baseline: Mapping[str, Located], *, searched: bool) -> Iterator[tuple[str, ...]]:
    """Yield each condition of a baseline, then those that one trial must meet together.

    Settings of a grid do not depend on one another, so what meets the conditions on each of them meets them all.
    """
    yield from ((path,) for path in baseline)
    for setting in dict.fromkeys(path.partition(".")[0] for path in baseline):
        paths = tuple(path for path in baseline if path.partition(".")[0] == setting)
        if not searched:
            yield paths
            continue
        yield from combinations((path for path in paths if not isinstance(baseline[path].value, dict | tuple)), 2)


def _published(value: Located, plain: Sequence[Mapping[str, Any]]) -> tuple[Published, ...]:
    """Return others' figures, each with its score, its value, where it stands, and the settings that it is of.

    No trial need have the setting, so that `--set` may take it away; the report tells then.
    """
    label, known, found = "report.published", ("score", "value", "source", "setting"), []
    if not isinstance(value.value, tuple):
        raise UsageError(f"{value.where}: {label}: expected a list of figures, found {described(value)}")
    for item in value.value:
        given = mapping(item, label)
        for key, part in given.items():
            if key not in known:
                raise UsageError(f"{part.where}: {label}: unknown key {key!r}{nearest(key, known)}")
        for key in known[:3]:
            if key not in given:
                raise UsageError(f"{item.where}: {label}: the key {key!r} is missing")
        name, number, source = (given[key] for key in known[:3])
        for words in (name, source):
            if not isinstance(words.value, str) or not words.value.strip():
                raise UsageError(f"{words.where}: {label}: expected words, found {described(words)}")
        score(name.value, f"{name.where}: {label}")
        if isinstance(number.value, bool) or not isinstance(number.value, int | float):
            raise UsageError(f"{number.where}: {label}.value: expected a number, found {described(number)}")
        setting = mapping(given["setting"], f"{label}.setting") if "setting" in given else {}
        for path, wanted in setting.items():
            if all(at(trial, path, ABSENT) is ABSENT for trial in plain):
                raise UsageError(f"{wanted.where}: {label}.setting: no trial has a setting {path!r}")
        found.append(Published(name.value, float(number.value), " ".join(source.value.split()),
                               {path: wanted.plain for path, wanted in setting.items()}))
    return tuple(found)


def _words(value: Located, label: str) -> tuple[str, ...]:
    items = value.value if isinstance(value.value, tuple) else ()
    if not items or not all(isinstance(item.value, str) for item in items):
        raise UsageError(f"{value.where}: {label}: expected a list of names, found {described(value)}")
    return tuple(item.value for item in items)
