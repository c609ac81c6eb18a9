"""Checks a report: recomputes every cell from the trials' files and lists mismatches."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config.spec import ADDED
from harness.errors import UsageError
from harness.report.inputs import Columns, ReadFile, Report
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import EFFECTS, Cell, Difference, Row, Table
from harness.report.tables.columns import TABLES, Column
from harness.report.tables.rows import Group, Record
from harness.report.verify import from_files, from_scores

TOLERANCE = 1e-9  # of the value if that exceeds 1

Scores = Mapping[tuple[str, str], float | None]  # by trial and name
Sides = tuple[Sequence[float], Sequence[float]]
FILES = {"points": from_files.recompute_from_points, "curve": from_files.recompute_from_curve,
         "scenes": from_files.recompute_from_scenes}


@dataclass(frozen=True)
class Mismatch:
    """A number that differs when recomputed; ``trial`` is "" if it is not a single trial's."""

    cell: str
    what: str
    printed: float | str | None
    recomputed: float | str | None
    trial: str = ""


@dataclass
class Verification:
    """The mismatches, and the numbers of cells and scores recomputed, scores by file.

    ``sampled_p`` counts the p values that are not recomputed, since their sign patterns are random samples.
    """

    cells: int = 0
    sampled_p: int = 0
    scores: dict[str, int] = field(default_factory=lambda: {"points": 0, "curve": 0, "scenes": 0, "record": 0})
    mismatches: list[Mismatch] = field(default_factory=list)


def verify(report: Report, read: ReadFile) -> Verification:
    """Recompute every cell; ``read(record, "points")`` gives the columns of a trial's file.

    Scores that no file holds in finer form are taken from the record. A trial's id has to be the hash of its setting,
    data and weights, so that the ids of a cell identify its origin.
    """
    result = Verification()
    names_by_trial: dict[str, dict[str, None]] = {}
    for table in report.tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                for trial in cell.trials:
                    names_by_trial.setdefault(trial, {})[_name(table, row, column)] = None
    result.mismatches += [Mismatch("record", "id", trial, digest, trial) for trial in names_by_trial
                          if (digest := _id(report.records[trial])) != trial]
    scores = {(trial, name): value for trial, names in names_by_trial.items()
              for name, value in _scores(result, report.records[trial], tuple(names), read).items()}
    seeds = {trial: report.records[trial]["spec"]["seed"] for trial in names_by_trial}
    for table in report.tables:
        for place, values, cell, column in _cells(table, scores):
            result.cells += 1
            result.mismatches += _check_cell(place, cell, column, values, seeds)
        result.mismatches += _check_differences(result, table, scores, seeds)
        result.mismatches += _check_marks(table, report.records, seeds)
    return result


def _id(record: Record) -> str:
    prints = record.get("fingerprints") or {}
    spec = {name: value for name, value in record["spec"].items() if name not in ADDED or value != ADDED[name]}
    content = [spec, prints.get("data"), prints.get("weights"), record.get("results_version")]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scores(result: Verification, record: Record, names: tuple[str, ...], read: ReadFile) -> dict[str, float | None]:
    """Return a trial's scores, each from the first file that gives it, else as recorded."""
    files = dict(_files(result, record, read))
    recorded: Mapping[str, Any] = {**(record.get("cost") or {}), **(record.get("scores") or {})}
    scores: dict[str, float | None] = {}
    for name in names:
        by_file = {file: value for file, recompute in FILES.items()
                   if file in files and (value := recompute(files[file], name)) is not None}
        file, scores[name] = next(iter(by_file.items()), ("record", recorded.get(name)))
        result.scores[file] += 1
    return scores


def _files(result: Verification, record: Record, read: ReadFile) -> Iterator[tuple[str, Columns]]:
    """Yield the columns of each of a trial's files; an unreadable one is a mismatch."""
    for name in FILES:
        if f"{name}.parquet" not in (record.get("files") or {}):
            continue
        try:
            yield name, read(record, name)
        except UsageError:
            result.mismatches.append(Mismatch("record", f"{name}.parquet", "recorded", "a file that cannot be read",
                                              record["id"]))


def _cells(table: Table, scores: Scores) -> Iterator[tuple[str, dict[str, float | None], Cell, Column]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.interval is not None and not cell.source:
                name = _name(table, row, column)
                yield _place(table, row, column), {trial: scores[trial, name] for trial in cell.trials}, cell, column


def _check_cell(place: str, cell: Cell, column: Column, scores: Mapping[str, float | None], seeds: Mapping[str, int]
                ) -> Iterator[Mismatch]:
    """Yield the mismatches of a cell's values, mean, interval and text."""
    mismatches = [Mismatch(place, "value", value, scores[trial], trial)
                  for trial, value in zip(cell.trials, cell.values, strict=True) if not _equal(value, scores[trial])]
    yield from mismatches
    if not mismatches and cell.interval is not None:
        values = _gaps(cell, seeds) if cell.pairs else [value for value in scores.values() if value is not None]
        mean, half = from_scores.recompute_interval(values, worst=column.kind == "worst")
        yield from _unequal(place, {"mean": (cell.interval.mean, mean), "half width": (cell.interval.half_width, half),
                                    "n": (cell.interval.count, len(values))})
        if not from_scores.text_agrees(cell.text, mean, half, len(values)):
            yield Mismatch(place, "text", cell.text, mean)


def _check_differences(result: Verification, table: Table, scores: Scores, seeds: Mapping[str, int]
                       ) -> Iterator[Mismatch]:
    """Yield the mismatches of differences, their tests, corrections and stars."""
    tested: list[tuple[str, Cell, Difference, float]] = []
    for place, column, cell, shown, gaps, sides in _differences(table, scores, seeds):
        (mean, half), p = from_scores.recompute_interval(gaps), from_scores.recompute_p(gaps)
        yield from _unequal(place, {
            "mean": (shown.interval.mean, mean), "half width": (shown.interval.half_width, half),
            "p": (shown.p, shown.p if p is None else p),
            "effect size": (shown.effect, from_scores.recompute_effect_size(gaps)),
            "improvement": (shown.improvement, from_scores.recompute_improvement(*sides, column.better))})
        result.sampled_p += p is None
        if shown.adjusted is not None:
            tested.append((place, cell, shown, shown.p if p is None else p))
    adjusted = from_scores.recompute_holm([p for *_, p in tested])
    reachable = from_scores.recompute_reachable([shown.interval.count for _, _, shown, _ in tested])
    for (place, cell, shown, _), value, reached in zip(tested, adjusted, reachable, strict=True):
        yield from _unequal(place, {"adjusted p": (shown.adjusted, value), "reachable": (shown.reachable, reached),
                                    "star": (cell.star, value <= ALPHA)})


def _differences(table: Table, scores: Scores, seeds: Mapping[str, int]
                 ) -> Iterator[tuple[str, Column, Cell, Difference, list[float], Sides]]:
    """Yield every difference with its gaps by seed and the values of both sides."""
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
            own, other = ({seeds[trial]: scores[trial, _name(table, side, column)] for trial in side.cells[i].trials}
                          for side in (row, base))
            pairs = [(own[seed], other[seed]) for seed in own if seed in other]
            gaps = [a - b for a, b in pairs if a is not None and b is not None]
            yield (f"{_place(table, row, column)}, difference", column, cell, shown, gaps,
                   (cell.values, base.cells[i].values))


def _sides(cell: Cell, seeds: Mapping[str, int]) -> Sides:
    """Return an effect's values after and before the change, for each seed the mean over pairs."""
    values = dict(zip(cell.trials, cell.values, strict=True))
    by_seed: dict[int, list[tuple[str, str]]] = {}
    for before, after in cell.pairs:
        by_seed.setdefault(seeds[after], []).append((after, before))
    high, low = ([sum(values[pair[i]] for pair in pairs) / len(pairs) for pairs in by_seed.values()] for i in (0, 1))
    return high, low


def _check_marks(table: Table, records: Mapping[str, Record], seeds: Mapping[str, int]) -> Iterator[Mismatch]:
    """Yield the mismatches of the marks for best, tied and star."""
    for j, column in enumerate(table.columns):
        rivals: dict[str, dict[int, Cell]] = {}
        for i, cell in enumerate(row.cells[j] for row in table.rows):
            if cell.trials and column.better and column.kind == "mean" and table.name != EFFECTS:
                member = Group((), (records[cell.trials[0]],), is_baseline=False)
                rivals.setdefault(member.measured_on(column.score), {})[i] = cell
        marks = {i: mark for cells in rivals.values() for i, mark in _marks(cells, column, seeds).items()}
        for i, row in enumerate(table.rows):
            cell, (best, tied) = row.cells[j], marks.get(i, (False, False))
            is_tested = cell.difference is not None and cell.difference.adjusted is not None
            yield from _unequal(_place(table, row, column), {
                "best": (cell.best, best), "tied": (cell.tied, cell.tied if tied is None else tied),
                "star": (cell.star, cell.star and is_tested)})


def _marks(rivals: Mapping[int, Cell], column: Column, seeds: Mapping[str, int]) -> dict[int, tuple[bool, bool | None]]:
    """Return for each rival's row whether it is best and whether it is tied; None if rounding decides."""
    means = {i: column.better * math.fsum(cell.values) / len(cell.values) for i, cell in rivals.items()}
    top = max(means, key=means.__getitem__)
    if len(rivals) < 2 or len(rivals[top].trials) < 2:
        return {}
    by_seed = {i: {seeds[trial]: value for trial, value in zip(cell.trials, cell.values, strict=True)}
               for i, cell in rivals.items()}
    marks: dict[int, tuple[bool, bool | None]] = {}
    for i, values in by_seed.items():
        gaps = [by_seed[top][seed] - value for seed, value in values.items() if seed in by_seed[top]]
        mean, half = from_scores.recompute_interval(gaps)
        is_best = means[i] == means[top]
        unsure = half is not None and math.isclose(abs(mean), half, rel_tol=TOLERANCE)
        marks[i] = is_best, not is_best and (None if unsure else half is None or abs(mean) <= half)
    return marks


def _gaps(cell: Cell, seeds: Mapping[str, int]) -> list[float]:
    """Return an effect by seed: the mean over pairs of the value after minus that before."""
    return [after - before for after, before in zip(*_sides(cell, seeds), strict=True)]


def _name(table: Table, row: Row, column: Column) -> str:
    """Return the name of the score in a cell: the column's, or the reference's own."""
    if not row.is_reference:
        return column.score
    layout = next(layout for layout in TABLES if layout.name == table.name)
    reference = next(known for known in layout.references if row.labels[0].startswith(known.label))
    return reference.score(column.score) or column.score


def _place(table: Table, row: Row, column: Column) -> str:
    return f"{table.name} | {table.name_of(row)} | {column.head}"


def _unequal(place: str, numbers: Mapping[str, tuple[float | None, float | None]]) -> Iterator[Mismatch]:
    for what, (printed, recomputed) in numbers.items():
        if not _equal(printed, recomputed):
            yield Mismatch(place, what, printed, recomputed)


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
