"""Every cell taken again: its trials' scores from their files, all else that it says from those."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError
from harness.report.inputs import Report
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import EFFECTS, Cell, Difference, Row, Table
from harness.report.tables.columns import TABLES, Column
from harness.report.tables.rows import Group, Record
from harness.report.verify.from_files import Columns, from_curve, from_points, from_scenes
from harness.report.verify.from_scores import corrected, exact_p, hedges_g, improvement, reads, summary, within_reach

TOLERANCE = 1e-9  # of the value, where that exceeds 1

Read = Callable[[Record, str], Columns]
Scores = Mapping[tuple[str, str], float | None]  # by trial and name
Sides = tuple[Sequence[float], Sequence[float]]


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
    """How many cells were taken again, how many scores from which file, and every number that did not come out.

    ``drawn`` counts the p that stand as printed, for their sign patterns were drawn.
    """

    cells: int = 0
    drawn: int = 0
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
        done.wrong += _of_differences(done, table, scores, seeds)
        done.wrong += _of_marks(table, report.records, seeds)
    return done


def _id(record: Record) -> str:
    prints = record.get("fingerprints") or {}
    content = [record["spec"], prints.get("data"), prints.get("weights"), record.get("results_version")]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scores(done: Verified, record: Record, names: tuple[str, ...], read: Read) -> dict[str, float | None]:
    """Return a trial's scores, each from the finest file that holds it."""
    held = dict(_held(done, record, read))
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


def _held(done: Verified, record: Record, read: Read) -> Iterator[tuple[str, Columns]]:
    """Yield the columns of each of a trial's files; note one that cannot be read."""
    for name in ("points", "curve", "scenes"):
        if f"{name}.parquet" not in (record.get("files") or {}):
            continue
        try:
            yield name, read(record, name)
        except UsageError:
            done.wrong.append(Mismatch("record", f"{name}.parquet", "recorded", "a file that cannot be read",
                                       record["id"]))


def _cells(table: Table, scores: Scores) -> Iterator[tuple[str, dict[str, float | None], Cell, Column]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.interval is not None and not cell.source:
                name = _name(table, row, column)
                yield _place(table, row, column), {each: scores[each, name] for each in cell.trials}, cell, column


def _of_cell(place: str, cell: Cell, column: Column, found: Mapping[str, float | None], seeds: Mapping[str, int]
             ) -> Iterator[Mismatch]:
    """Yield where a cell's values, mean, interval or text are others than those found."""
    wrong = [Mismatch(place, "value", value, found[trial], trial)
             for trial, value in zip(cell.trials, cell.values, strict=True) if not _equal(value, found[trial])]
    yield from wrong
    if not wrong and cell.interval is not None:
        own = _gaps(cell, seeds) if cell.pairs else [value for value in found.values() if value is not None]
        mean, half = summary(own, worst=column.kind == "worst")
        yield from _unequal(place, {"mean": (cell.interval.mean, mean), "half width": (cell.interval.half_width, half),
                                    "n": (cell.interval.count, len(own))})
        if not reads(cell.text, mean, half, len(own)):
            yield Mismatch(place, "text", cell.text, mean)


def _of_differences(done: Verified, table: Table, scores: Scores, seeds: Mapping[str, int]) -> Iterator[Mismatch]:
    """Yield where a difference, its test, its correction or what it leads to is another than that found."""
    tested: list[tuple[str, Cell, Difference, float]] = []
    for place, column, cell, shown, gaps, sides in _differences(table, scores, seeds):
        (mean, half), p = summary(gaps), exact_p(gaps)
        yield from _unequal(place, {
            "mean": (shown.interval.mean, mean), "half width": (shown.interval.half_width, half),
            "p": (shown.p, shown.p if p is None else p), "effect size": (shown.effect, hedges_g(gaps)),
            "improvement": (shown.improvement, improvement(*sides, column.better))})
        done.drawn += p is None
        if shown.adjusted is not None:
            tested.append((place, cell, shown, shown.p if p is None else p))
    adjusted = corrected([p for *_, p in tested])
    reachable = within_reach([shown.interval.count for _, _, shown, _ in tested])
    for (place, cell, shown, _), value, reached in zip(tested, adjusted, reachable, strict=True):
        yield from _unequal(place, {"adjusted p": (shown.adjusted, value), "reachable": (shown.reachable, reached),
                                    "star": (cell.star, value <= ALPHA)})


def _differences(table: Table, scores: Scores, seeds: Mapping[str, int]
                 ) -> Iterator[tuple[str, Column, Cell, Difference, list[float], Sides]]:
    """Yield every difference with its gaps, seed by seed, and with the values of both its sides."""
    rows = {row.labels: row for row in table.rows if not row.is_reference}
    for row in table.rows:
        for i, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            shown = cell.difference
            if shown is None:
                continue
            if cell.pairs:
                yield _place(table, row, column), column, cell, shown, _gaps(cell, seeds), _sides(cell, seeds)
                continue
            base = rows[shown.baseline]
            own, other = ({seeds[trial]: scores[trial, _name(table, each, column)] for trial in each.cells[i].trials}
                          for each in (row, base))
            pairs = [(own[seed], other[seed]) for seed in own if seed in other]
            gaps = [a - b for a, b in pairs if a is not None and b is not None]
            yield (f"{_place(table, row, column)}, difference", column, cell, shown, gaps,
                   (cell.values, base.cells[i].values))


def _sides(cell: Cell, seeds: Mapping[str, int]) -> Sides:
    """Return an effect's values after and before the change, each seed's mean over pairs."""
    values = dict(zip(cell.trials, cell.values, strict=True))
    by_seed: dict[int, list[tuple[str, str]]] = {}
    for before, after in cell.pairs:
        by_seed.setdefault(seeds[after], []).append((after, before))
    high, low = ([sum(values[pair[side]] for pair in own) / len(own) for own in by_seed.values()] for side in (0, 1))
    return high, low


def _of_marks(table: Table, records: Mapping[str, Record], seeds: Mapping[str, int]) -> Iterator[Mismatch]:
    """Yield where a cell is marked as best, tied or starred and is not, or is and is not marked."""
    for j, column in enumerate(table.columns):
        rivals: dict[str, dict[int, Cell]] = {}
        for i, cell in enumerate(row.cells[j] for row in table.rows):
            if cell.trials and column.better and column.kind == "mean" and table.name != EFFECTS:
                member = Group((), (records[cell.trials[0]],), is_baseline=False)
                rivals.setdefault(member.measured_on(column.score), {})[i] = cell
        marks = {i: mark for own in rivals.values() for i, mark in _marks(own, column, seeds).items()}
        for i, row in enumerate(table.rows):
            cell, (best, tied) = row.cells[j], marks.get(i, (False, False))
            is_tested = cell.difference is not None and cell.difference.adjusted is not None
            yield from _unequal(_place(table, row, column), {
                "best": (cell.best, best), "tied": (cell.tied, cell.tied if tied is None else tied),
                "star": (cell.star, cell.star and is_tested)})


def _marks(rivals: Mapping[int, Cell], column: Column, seeds: Mapping[str, int]) -> dict[int, tuple[bool, bool | None]]:
    """Return for each rival's row whether it is the best and whether it is tied; None where rounding decides."""
    means = {i: column.better * math.fsum(cell.values) / len(cell.values) for i, cell in rivals.items()}
    top = max(means, key=means.__getitem__)
    if len(rivals) < 2 or len(rivals[top].trials) < 2:
        return {}
    by_seed = {i: {seeds[trial]: value for trial, value in zip(cell.trials, cell.values, strict=True)}
               for i, cell in rivals.items()}
    found: dict[int, tuple[bool, bool | None]] = {}
    for i, own in by_seed.items():
        mean, half = summary([by_seed[top][seed] - own[seed] for seed in own if seed in by_seed[top]])
        is_best = means[i] == means[top]
        unsure = half is not None and math.isclose(abs(mean), half, rel_tol=TOLERANCE)
        found[i] = is_best, not is_best and (None if unsure else half is None or abs(mean) <= half)
    return found


def _gaps(cell: Cell, seeds: Mapping[str, int]) -> list[float]:
    """Return an effect seed by seed: the mean over pairs of the value after minus that before."""
    import pandas as pd

    values = dict(zip(cell.trials, cell.values, strict=True))
    each = pd.DataFrame([(seeds[after], values[after] - values[before]) for before, after in cell.pairs])
    return [float(gap) for gap in each.groupby(0)[1].mean()]


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
