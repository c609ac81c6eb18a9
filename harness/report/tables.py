"""The paper's tables, from the store's records: one row per setting, each cell a mean over seeds with its interval."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.report.columns import TABLES, Column, Layout, Reference, extra
from harness.report.notes import average, shared_notes
from harness.report.rows import Group, Record, canonical, grouped
from harness.spec import ReportSpec
from harness.statistics import Interval, mean_interval


@dataclass(frozen=True)
class Cell:
    """One number of a table; ``interval`` is None where no seed has it, ``best`` is for one clear of all others."""

    interval: Interval | None
    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One line: a setting, or a reference that no training produced; rows compare where they share ``test_data``."""

    labels: tuple[str, ...]
    seeds: int
    cells: tuple[Cell, ...]
    test_data: frozenset[str]
    is_baseline: bool = False
    is_reference: bool = False


@dataclass(frozen=True)
class Table:
    """One table and the notes that stand under it."""

    name: str
    title: str
    heads: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def part(self, first: int, last: int) -> "Table":
        """Return the table with some of its columns, for pages that are too narrow for all."""
        rows = tuple(replace(row, cells=row.cells[first:last]) for row in self.rows)
        return replace(self, columns=self.columns[first:last], rows=rows)


def build(
    records: Iterable[Record], report: ReportSpec, planned: Sequence[Mapping[str, Any]] | None = None
) -> tuple[Table, ...]:
    """Return the tables that the finished records can fill; empty where no trial finished.

    ``planned`` holds the specs of the experiment as it stands now: rows follow their order, records of other settings
    are left out and counted, and those without a record are named as missing; without it, rows stand in the order in
    which they were run. Records of older results versions are left out and counted. Under each table its notes say what
    is averaged and what is missing.
    """
    every = list(records)
    newest = max((record.get("results_version") or 0 for record in every), default=0)
    current = [record for record in every if (record.get("results_version") or 0) == newest]
    in_order = sorted(current, key=lambda record: str(record.get("started") or ""))
    wanted = in_order if planned is None else _in_plan(current, planned)
    heads, groups = grouped([record for record in wanted if record["status"] == "finished"], report)
    if not groups:
        return ()
    left_out = {"of an older results version": len(every) - len(current), "not planned": len(current) - len(wanted)}
    shared = shared_notes(groups, wanted, planned, left_out)
    tables = []
    for layout in (*TABLES, *extra(report.columns)):
        table = _table(layout, heads, groups)
        if table is not None:
            tables.append(replace(table, notes=(_legend(table, groups), *filter(None, [layout.note]), *shared)))
    return tuple(tables)


def _legend(table: Table, groups: Sequence[Group]) -> str:
    cells = [(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)]
    bold = " Bold: best, its interval clear of all others." if any(cell.best for _, _, cell in cells) else ""
    partial = any(cell.interval and cell.interval.count < row.seeds and not c.is_count for row, c, cell in cells)
    return average(groups) + bold + (" In brackets: fewer seeds have this score." if partial else "")


def _in_plan(records: Sequence[Record], planned: Sequence[Mapping[str, Any]]) -> list[Record]:
    place = {canonical(spec): i for i, spec in enumerate(planned)}
    known = [record for record in records if canonical(record["spec"]) in place]
    return sorted(known, key=lambda record: place[canonical(record["spec"])])


def _table(layout: Layout, heads: tuple[str, ...], groups: Sequence[Group]) -> Table | None:
    names = list(dict.fromkeys(name for group in groups for record in group.records for name in _scores(record)))
    columns = tuple(column for column in layout.columns(names) if column.score in names)
    if not any(column.score in layout.core for column in columns):
        return None
    rows = [_setting_row(group, columns) for group in groups]
    for reference in layout.references:
        rows += _reference_rows(reference, columns, groups)
    return Table(layout.name, layout.title, heads, columns, _with_best(rows, columns), ())


def _setting_row(group: Group, columns: Sequence[Column]) -> Row:
    cells = tuple(_cell(column, [_value(record, column.score) for record in group.records]) for column in columns)
    return Row(group.labels, len(group.records), cells, frozenset([group.test_data]), is_baseline=group.is_baseline)


def _reference_rows(reference: Reference, columns: Sequence[Column], groups: Sequence[Group]) -> list[Row]:
    """Return a reference's rows: one where all settings agree on it seed by seed, else one per part that does."""
    names = [reference.score(column.score) for column in columns]
    parts: list[tuple[dict[int, list[float | None]], list[Group]]] = []
    for group in groups:
        own = {record["spec"]["seed"]: [_value(record, name) for name in names] for record in group.records}
        own = {seed: values for seed, values in own.items() if any(value is not None for value in values)}
        same = next((part for part in parts if part[1][0].test_data == group.test_data and _agree(part[0], own)), None)
        if same:
            same[0].update({seed: values for seed, values in own.items() if seed not in same[0]})
            same[1].append(group)
        elif own:
            parts.append((own, [group]))
    return [_reference_row(reference, columns, seeds, members, groups) for seeds, members in parts]


def _reference_row(
    reference: Reference, columns: Sequence[Column], seeds: Mapping[int, Sequence[float | None]],
    members: Sequence[Group], groups: Sequence[Group],
) -> Row:
    by_column = list(zip(*seeds.values(), strict=True))
    cells = tuple(_cell(column, values) for column, values in zip(columns, by_column, strict=True))
    own = [list(dict.fromkeys(texts)) for texts in zip(*(member.labels for member in members), strict=True)]
    every = [set(texts) for texts in zip(*(group.labels for group in groups), strict=True)]
    shown = ["" if len(texts) == len(other) else " / ".join(texts) for texts, other in zip(own, every, strict=True)]
    labels = (reference.label + (f": {shown[0]}" if shown[0] else ""), *shown[1:])
    return Row(labels, len(seeds), cells, frozenset(m.test_data for m in members), is_reference=True)


def _agree(one: Mapping[int, Sequence[float | None]], other: Mapping[int, Sequence[float | None]]) -> bool:
    """Return whether two settings have the same reference in the seeds that both have; 1e-4 apart on two machines."""
    common = one.keys() & other.keys()
    return bool(common) and all(
        (a is None) == (b is None) and (a is None or b is None or abs(a - b) <= 1e-4)
        for seed in common
        for a, b in zip(one[seed], other[seed], strict=True)
    )


def _cell(column: Column, values: Sequence[float | None]) -> Cell:
    known = [value for value in values if value is not None]
    if not known:
        return Cell(None, "\N{EM DASH}")
    interval = mean_interval(known)
    if column.is_count:
        return Cell(interval, f"{sum(known):g}/{len(known)}")
    digits = column.digits if column.digits is not None else _digits(interval.mean)
    text = f"{interval.mean:.{digits}f}"
    if interval.half_width is not None:
        text += "\N{PLUS-MINUS SIGN}" + f"{interval.half_width:.{digits}f}".removeprefix("0" if digits else "")
    return Cell(interval, text if len(known) == len(values) else f"{text} ({len(known)})")


def _digits(value: float) -> int:
    """Return how many decimals show four significant digits."""
    return 0 if value == 0 else min(7, max(0, 3 - math.floor(math.log10(abs(value)))))


def _with_best(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    cells = [list(row.cells) for row in rows]
    for i, column in enumerate(columns):
        for test_data in {data for row in rows for data in row.test_data}:
            rivals = [j for j, row in enumerate(rows) if test_data in row.test_data and cells[j][i].interval]
            winner = _clear_winner([cells[j][i].interval for j in rivals], column.better)
            if winner is not None:
                cells[rivals[winner]][i] = replace(cells[rivals[winner]][i], best=True)
    return tuple(replace(row, cells=tuple(own)) for row, own in zip(rows, cells, strict=True))


def _clear_winner(intervals: Sequence[Interval | None], better: int) -> int | None:
    """Return which interval lies beyond all others in the better direction; None for a tie or a lone row."""
    known = [interval for interval in intervals if interval is not None]
    if better == 0 or len(known) < 2:
        return None
    best = max(range(len(known)), key=lambda i: better * known[i].mean)
    rest = known[:best] + known[best + 1 :]
    clear = all(known[best].low > other.high if better > 0 else known[best].high < other.low for other in rest)
    return best if clear else None


def _scores(record: Record) -> Mapping[str, Any]:
    return {**(record.get("cost") or {}), **(record.get("scores") or {})}


def _value(record: Record, name: str | None) -> float | None:
    value = _scores(record).get(name) if name else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def to_json(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return plain data: per table its columns, rows with mean, half width and count of every score, and notes."""
    return [
        {
            "name": table.name,
            "title": table.title,
            "rows": [
                {
                    "setting": dict(zip(table.heads, row.labels, strict=True)),
                    "seeds": row.seeds,
                    "is_baseline": row.is_baseline,
                    "is_reference": row.is_reference,
                    "scores": _plain(table.columns, row.cells),
                }
                for row in table.rows
            ],
            "notes": list(table.notes),
        }
        for table in tables
    ]


def _plain(columns: Sequence[Column], cells: Sequence[Cell]) -> dict[str, Any]:
    return {
        column.score: {"mean": cell.interval.mean, "half_width": cell.interval.half_width, "seeds": cell.interval.count}
        for column, cell in zip(columns, cells, strict=True)
        if cell.interval is not None
    }
