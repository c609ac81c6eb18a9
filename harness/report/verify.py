"""Every cell taken again: its trials' scores from their files, its mean, interval and difference from those."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from harness.report.cells import EFFECTS, Cell, Row, Table
from harness.report.columns import TABLES, Column
from harness.report.parts import Report
from harness.report.recompute import Columns, from_curve, from_points, from_scenes
from harness.report.rows import Record

TOLERANCE = 1e-9  # of the value, where that exceeds 1
EXACT_UP_TO = 12  # seeds whose sign patterns are all listed again

Read = Callable[[Record, str], Columns]
Scores = Mapping[tuple[str, str], float | None]  # by trial and name


@dataclass(frozen=True)
class Mismatch:
    """A number that does not come out again: in which cell, of which trial where it is one's, printed and found."""

    cell: str
    what: str
    printed: float | str | None
    found: float | str | None
    trial: str = ""


@dataclass
class Verified:
    """How many cells were taken again, how many scores from which file, and every number that did not come out."""

    cells: int = 0
    scores: dict[str, int] = field(default_factory=lambda: {"points": 0, "curve": 0, "scenes": 0, "record": 0})
    wrong: list[Mismatch] = field(default_factory=list)


def verify(report: Report, read: Read) -> Verified:
    """Return what came of taking every cell again; ``read(record, "points")`` gives the columns of a trial's file.

    Scores that no file holds in finer form are taken as the record has them. A trial's id has to be the hash of its
    setting, data and weights, so that a cell's ids say what made it.
    """
    done = Verified()
    wanted: dict[str, dict[str, None]] = {}
    for table in report.tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                for trial in cell.trials:
                    wanted.setdefault(trial, {})[_name(table, row, column)] = None
    done.wrong += [Mismatch("record", "id", trial, found, trial) for trial in wanted
                   if (found := _id(report.records[trial])) != trial]
    scores = {(trial, name): value for trial, names in wanted.items()
              for name, value in _scores(done, report.records[trial], tuple(names), read).items()}
    seeds = {trial: report.records[trial]["spec"]["seed"] for trial in wanted}
    for table in report.tables:
        for place, values, cell, column in _cells(table, scores):
            done.cells += 1
            done.wrong += _of_cell(place, cell, column, values, seeds)
        done.wrong += _of_differences(table, scores, seeds) if table.name != EFFECTS else _of_effects(table, seeds)
    return done


def _id(record: Record) -> str:
    prints = record.get("fingerprints") or {}
    content = [record["spec"], prints.get("data"), prints.get("weights"), record.get("results_version")]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scores(done: Verified, record: Record, names: tuple[str, ...], read: Read) -> dict[str, float | None]:
    """Return a trial's scores, each from the finest file that holds it."""
    files = record.get("files") or {}
    held = {name: read(record, name) for name in ("points", "curve", "scenes") if f"{name}.parquet" in files}
    both: Mapping[str, Any] = {**(record.get("cost") or {}), **(record.get("scores") or {})}
    found: dict[str, float | None] = {}
    for name in names:
        ways = {"points": from_points, "curve": from_curve, "scenes": from_scenes}
        taken = {file: value for file, way in ways.items()
                 if file in held and (value := way(held[file], name)) is not None}
        file, value = next(iter(taken.items()), ("record", both.get(name)))
        done.scores[file] += 1
        found[name] = value
    return found


def _cells(table: Table, scores: Scores) -> Iterator[tuple[str, dict[str, float | None], Cell, Column]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.interval is not None and not cell.source:
                name = _name(table, row, column)
                yield _place(table, row, column), {each: scores[each, name] for each in cell.trials}, cell, column


def _of_cell(place: str, cell: Cell, column: Column, found: Mapping[str, float | None], seeds: Mapping[str, int]
             ) -> Iterator[Mismatch]:
    """Yield where a cell's values, mean or interval are others than those found."""
    wrong = [Mismatch(place, "value", value, found[trial], trial)
             for trial, value in zip(cell.trials, cell.values, strict=True) if not _equal(value, found[trial])]
    yield from wrong
    if not wrong and cell.interval is not None:
        own = _gaps(cell, seeds) if cell.pairs else [value for value in found.values() if value is not None]
        mean, half = _summary(own, worst=column.kind == "worst")
        yield from _unequal(place, {"mean": (cell.interval.mean, mean), "half width": (cell.interval.half_width, half)})


def _of_differences(table: Table, scores: Scores, seeds: Mapping[str, int]) -> Iterator[Mismatch]:
    """Yield where a paired difference, its p or its correction is another than that found."""
    rows = {row.labels: row for row in table.rows if not row.is_reference}
    tested: list[tuple[str, float, float]] = []
    for row in table.rows:
        for i, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            shown = cell.difference
            if shown is None:
                continue
            base, place = rows[shown.baseline], f"{_place(table, row, column)}, difference"
            own, other = ({seeds[trial]: scores[trial, _name(table, each, column)] for trial in each.cells[i].trials}
                          for each in (row, base))
            pairs = [(own[seed], other[seed]) for seed in own if seed in other]
            gaps = [a - b for a, b in pairs if a is not None and b is not None]
            mean, half = _summary(gaps)
            numbers = {"mean": (shown.interval.mean, mean), "half width": (shown.interval.half_width, half)}
            if len(gaps) <= EXACT_UP_TO:
                numbers["p"] = (shown.p, _p(gaps))
            yield from _unequal(place, numbers)
            if shown.adjusted is not None:
                tested.append((place, shown.p, shown.adjusted))
    yield from _of_correction(tested)


def _of_effects(table: Table, seeds: Mapping[str, int]) -> Iterator[Mismatch]:
    """Yield where an effect's p or its correction is another than that found."""
    tested: list[tuple[str, float, float]] = []
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            shown, place = cell.difference, _place(table, row, column)
            if shown is None:
                continue
            gaps = _gaps(cell, seeds)
            if len(gaps) <= EXACT_UP_TO:
                yield from _unequal(place, {"p": (shown.p, _p(gaps))})
            if shown.adjusted is not None:
                tested.append((place, shown.p, shown.adjusted))
    yield from _of_correction(tested)


def _gaps(cell: Cell, seeds: Mapping[str, int]) -> list[float]:
    """Return an effect seed by seed: the mean over pairs of the value after minus that before."""
    import pandas as pd

    values = dict(zip(cell.trials, cell.values, strict=True))
    each = pd.DataFrame([(seeds[after], values[after] - values[before]) for before, after in cell.pairs])
    return [float(gap) for gap in each.groupby(0)[1].mean()]


def _of_correction(tested: list[tuple[str, float, float]]) -> Iterator[Mismatch]:
    """Yield where Holm's correction over a table is another than that found."""
    by_p = sorted(tested, key=lambda each: each[1])
    corrected = np.maximum.accumulate([min(1.0, (len(by_p) - i) * p) for i, (_, p, _) in enumerate(by_p)] or [0.0])
    for (place, _, adjusted), found in zip(by_p, corrected.tolist(), strict=False):
        yield from _unequal(place, {"adjusted p": (adjusted, found)})


def _summary(values: list[float], *, worst: bool = False) -> tuple[float, float | None]:
    """Return mean and half width by pandas and scipy alone."""
    import pandas as pd
    from scipy import stats

    series = pd.Series(values, dtype=float)
    if worst:
        return float(series.max()), None
    half = float(stats.t.ppf(0.975, len(series) - 1) * series.sem()) if len(series) > 1 else None
    return float(series.mean()), half


def _p(gaps: list[float]) -> float:
    sums = np.abs(np.array(list(product((1.0, -1.0), repeat=len(gaps)))) @ np.array(gaps))
    return float(np.mean(sums >= abs(sum(gaps)) - 1e-12 * sum(map(abs, gaps))))


def _name(table: Table, row: Row, column: Column) -> str:
    """Return the name of the score that a cell shows: the column's, or the reference's own."""
    if not row.is_reference:
        return column.score
    layout = next(layout for layout in TABLES if layout.name == table.name)
    reference = next(each for each in layout.references if row.labels[0].startswith(each.label))
    return reference.score(column.score) or column.score


def _place(table: Table, row: Row, column: Column) -> str:
    return f"{table.name} | {' '.join(filter(None, row.labels))} | {column.head}"


def _unequal(place: str, numbers: Mapping[str, tuple[float | None, float | None]]) -> Iterator[Mismatch]:
    for what, (printed, found) in numbers.items():
        if not _equal(printed, found):
            yield Mismatch(place, what, printed, found)


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
