"""The paper's tables, from the store's records: one row per setting, each cell a mean over seeds with its interval."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.report.statistics import Interval, mean_interval
from harness.report.tables.cells import Cell, Difference, Row, Table, written
from harness.report.tables.columns import TABLES, Column, Layout, extra
from harness.report.tables.comparisons import baselines, best_and_tied, differences
from harness.report.tables.effects import effects_table, why_none
from harness.report.tables.legends import legend
from harness.report.tables.notes import listing, shared_notes
from harness.report.tables.published import unshown, with_published
from harness.report.tables.rows import Group, Record, canonical, grouped
from harness.report.tables.values import Line, lines_of

__all__ = ["Cell", "Difference", "Row", "Table", "build"]


def build(
    records: Iterable[Record], report: ReportSpec, planned: Sequence[Mapping[str, Any]] | None = None,
    running: Sequence[Mapping[str, Any]] = (), remarks: Sequence[str] = (),
) -> tuple[Table, ...]:
    """Return the tables that the finished records can fill; empty where no trial finished.

    ``planned`` holds the specs of the experiment as it stands now: rows follow their order, records of other settings
    are left out and counted, and those without a record are named as missing; without it, rows stand in the order in
    which they were run. ``running`` are the specs of trials under way. Records of other results versions are left out
    and counted. Under each table its notes say what is averaged and what is missing, and ``remarks``.
    """
    every = list(records)
    current = [record for record in every if record.get("results_version") == RESULTS_VERSION]
    wanted = _in_order(current) if planned is None else _in_plan(current, planned)
    heads, groups = grouped([record for record in wanted if record["status"] == "finished"], report)
    if not groups:
        return ()
    left_out = {"of another results version": len(every) - len(current), "not planned": len(current) - len(wanted)}
    shared = shared_notes(groups, wanted, planned, running, left_out)
    names = list(dict.fromkeys(name for group in groups for scores in group.scores for name in scores))
    tables = [with_published(table, groups, report.published) for layout in (*TABLES, *extra(report.columns))
              if (table := _table(layout, heads, groups, names, report)) is not None]
    cited = unshown(tables, report.published)
    effects = effects_table(groups, names, report)
    tables += [] if effects is None else [effects]
    known = {column.score for table in tables for column in table.columns}
    unknown = [listing("No table has the scores to be tested", [each for each in report.tests if each not in known]),
               listing("No trial has the further scores", [each for each in report.columns if each not in known]),
               why_none(names, report) if effects is None else "", cited]
    notes = tuple(filter(None, [*shared, *unknown, *remarks]))
    return tuple(replace(table, notes=(*table.notes, *notes)) for table in tables)


def _in_order(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: str(record.get("started") or ""))


def _in_plan(records: Sequence[Record], planned: Sequence[Mapping[str, Any]]) -> list[Record]:
    place = {canonical(spec): i for i, spec in enumerate(planned)}
    known = [(place.get(canonical(record["spec"])), i) for i, record in enumerate(records)]
    return [records[i] for _, i in sorted((at, i) for at, i in known if at is not None)]


def _table(
    layout: Layout, heads: tuple[str, ...], groups: Sequence[Group], names: Sequence[str], report: ReportSpec
) -> Table | None:
    columns = tuple(_tested(column, report) for column in layout.columns(names) if column.score in names)
    if not any(column.score in layout.core for column in columns):
        return None
    lines = lines_of(layout, columns, groups)
    against = baselines(lines, tuple(report.baseline))
    found = differences(lines, columns, against)
    best, tied = best_and_tied(lines, columns)
    rows = tuple(
        Row(line.labels, len(line.seeds), tuple(
            _cell(line, j, column, best=(i, j) in best, tied=(i, j) in tied, difference=found.get((i, j)))
            for j, column in enumerate(columns)
        ), line.test_data, line.is_baseline, line.is_reference)
        for i, line in enumerate(lines)
    )
    table = Table(layout.name, layout.title, heads, columns, rows, ())
    return replace(table, notes=legend(table, lines, against, layout.note, named=bool(report.baseline)))


def _tested(column: Column, report: ReportSpec) -> Column:
    """Return the column, tested as the report's own choice says where it makes one."""
    return replace(column, tested=column.score in report.tests) if report.tests else column


def _cell(line: Line, index: int, column: Column, *, best: bool, tied: bool, difference: Difference | None) -> Cell:
    pairs = [(trial, value) for trial, value in zip(line.trials, line.values[index], strict=True) if value is not None]
    if not pairs:
        return Cell(None, "\N{EM DASH}")
    trials, values = zip(*pairs, strict=True)
    if column.kind == "worst":
        interval = Interval(max(values), None, len(values))
        text = f"{interval.mean:.1e}"
    else:
        interval = mean_interval(values)
        text = f"{sum(values):g}/{len(values)}" if column.kind == "count" else written(interval, column)
    brackets = f" ({len(values)})" if len(values) < len(line.seeds) and column.kind != "count" else ""
    star = difference is not None and difference.star
    return Cell(interval, text + brackets, best, tied, star, difference, trials, values)
