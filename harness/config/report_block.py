"""The `report:` block of an experiment: rows, baseline, columns, tests, effects and published figures."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from harness.config import dotted
from harness.config.located_yaml import Located
from harness.config.scores import check_reported, find_score
from harness.config.settings import describe, expect_mapping, locate
from harness.config.spec import Published, ReportSpec, TrialSpec
from harness.errors import UsageError, nearest

KEYS = ("rows", "baseline", "columns", "tests", "effects", "published")
ABSENT = object()


def read_report(value: Located | None, axes: tuple[str, ...], trials: Sequence[TrialSpec], *,
                searched: bool = False) -> ReportSpec:
    """Return the report's layout. Its rows must be settings, and its baseline one of the rows; UsageError otherwise.

    ``trials`` are examples that together hold every value of every setting; if ``searched``, every possible pair of
    values.
    """
    block = expect_mapping(value, "report", KEYS) if value is not None and value.value is not None else {}
    plain = [trial.to_dict() for trial in trials]
    # Without rows those are the axes; not one such as fusion.alpha of a fusion that cannot act.
    rows = _words(block["rows"], "report.rows") if "rows" in block else tuple(
        axis for axis in axes if any(dotted.get(trial, axis, ABSENT) is not ABSENT for trial in plain))
    for row in rows if "rows" in block else ():
        if all(dotted.get(trial, row, ABSENT) is ABSENT for trial in plain):
            raise UsageError(f"{block['rows'].where}: report.rows: no trial has a setting {row!r}{nearest(row, axes)}")
    baseline = dict(expect_mapping(block["baseline"], "report.baseline")) if "baseline" in block else {}
    baseline = {path: _resolved(path, item, plain) for path, item in baseline.items()}
    for paths in _joint_conditions(baseline, searched=searched):
        if not any(all(dotted.matches(dotted.get(trial, path, ABSENT), baseline[path].plain) for path in paths)
                   for trial in plain):
            words = " and ".join(f"{path} = {baseline[path].plain}" for path in paths)
            raise UsageError(f"{baseline[paths[-1]].where}: report.baseline: no trial has {words}; set "
                             "another one, or none with --set 'report.baseline={}'")
    columns, tests = (_scores(block[key], f"report.{key}") if key in block else () for key in ("columns", "tests"))
    effects = _words(block["effects"], "report.effects") if "effects" in block else ()
    for path in effects:
        if len({str(dotted.get(trial, path, ABSENT)) for trial in plain} - {str(ABSENT)}) < 2:
            raise UsageError(f"{block['effects'].where}: report.effects: no two trials differ in a setting {path!r}"
                             f"{nearest(path, axes)}")
    published = _published(block["published"], plain) if "published" in block else ()
    return ReportSpec(rows, {path: item.plain for path, item in baseline.items()}, columns, tests, effects, published)


def _joint_conditions(baseline: Mapping[str, Located], *, searched: bool) -> Iterator[tuple[str, ...]]:
    """Yield each condition of a baseline alone, for a clear error, then those that one trial must meet together.

    Settings of a grid are independent of each other: if each setting's conditions can be met, all of them can. The
    examples of a search hold pairs of values only, so its conditions are checked two by two.
    """
    yield from ((path,) for path in baseline)
    for setting in dict.fromkeys(path.partition(".")[0] for path in baseline):
        paths = tuple(path for path in baseline if path.partition(".")[0] == setting)
        if not searched:
            yield paths
            continue
        yield from combinations((path for path in paths if not isinstance(baseline[path].value, dict | tuple)), 2)


def _resolved(path: str, expected: Located, trials: Sequence[Mapping[str, Any]]) -> Located:
    """Return the expected value of a setting with every file and folder spelled as in the trials."""
    for trial in trials:
        value = dotted.as_resolved(dotted.get(trial, path), expected.plain)
        if value != expected.plain:
            return locate(value, expected.where)
    return expected


def _published(value: Located, plain: Sequence[Mapping[str, Any]]) -> tuple[Published, ...]:
    """Return the figures that others published: score, value, source, and the settings that they belong to.

    No trial needs to have these settings, because `--set` may remove them; the report says so then.
    """
    label, keys, figures = "report.published", ("score", "value", "source", "setting"), []
    if not isinstance(value.value, tuple):
        raise UsageError(f"{value.where}: {label}: expected a list of figures, found {describe(value)}")
    for item in value.value:
        fields = expect_mapping(item, label, keys)
        for key in keys[:3]:
            if key not in fields:
                raise UsageError(f"{item.where}: {label}: the key {key!r} is missing")
        name, number, source = (fields[key] for key in keys[:3])
        for words in (name, source):
            if not isinstance(words.value, str) or not words.value.strip():
                raise UsageError(f"{words.where}: {label}: expected words, found {describe(words)}")
        find_score(name.value, f"{name.where}: {label}")
        if isinstance(number.value, bool) or not isinstance(number.value, int | float):
            raise UsageError(f"{number.where}: {label}.value: expected a number, found {describe(number)}")
        setting = expect_mapping(fields["setting"], f"{label}.setting") if "setting" in fields else {}
        setting = {path: _resolved(path, item, plain) for path, item in setting.items()}
        for path, expected in setting.items():
            if all(dotted.get(trial, path, ABSENT) is ABSENT for trial in plain):
                raise UsageError(f"{expected.where}: {label}.setting: no trial has a setting {path!r}")
        figures.append(Published(name.value, float(number.value), " ".join(source.value.split()),
                                 {path: expected.plain for path, expected in setting.items()}))
    return tuple(figures)


def _scores(value: Located, label: str) -> tuple[str, ...]:
    names = _words(value, label)
    for name, item in zip(names, value.value, strict=True):
        check_reported(name, f"{item.where}: {label}")
    return names


def _words(value: Located, label: str) -> tuple[str, ...]:
    items = value.value if isinstance(value.value, tuple) else ()
    if not items or not all(isinstance(item.value, str) for item in items):
        raise UsageError(f"{value.where}: {label}: expected a list of names, found {describe(value)}")
    return tuple(item.value for item in items)
