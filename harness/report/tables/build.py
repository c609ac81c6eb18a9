"""The paper's tables, from the store's records: one row per setting, each cell a mean over seeds with its interval."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.config.setting_texts import canonical
from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.report.statistics import Interval, mean_interval
from harness.report.tables.cells import Cell, Difference, Row, Table, format_interval
from harness.report.tables.columns import TABLES, Column, TableLayout, extra_layout
from harness.report.tables.comparisons import baselines, best_and_tied, differences
from harness.report.tables.effects import effects_table, why_none
from harness.report.tables.legends import legend
from harness.report.tables.notes import listing, shared_notes
from harness.report.tables.published import uncited_note, with_published
from harness.report.tables.rows import Group, Record, group_records
from harness.report.tables.values import RowValues, row_values

__all__ = ["Cell", "Difference", "Row", "Table", "build"]


def build(
    records: Iterable[Record], report: ReportSpec, planned: Sequence[Mapping[str, Any]] | None = None,
    running: Sequence[Mapping[str, Any]] = (), remarks: Sequence[str] = (),
) -> tuple[Table, ...]:
    """Return the tables of the finished records; none if no trial has finished.

    ``planned`` are the specs of the current experiment: rows follow their order, records of other settings are left
    out and counted, and specs without a record are named as missing. Without a plan, rows follow the trials' start
    times. ``running`` are the specs of running trials. Records of other results versions are left out and counted. The
    notes under each table say what is averaged and what is missing, and end with ``remarks``.
    """
    all_records = list(records)
    current = [record for record in all_records if record.get("results_version") == RESULTS_VERSION]
    chosen = _in_order(current) if planned is None else _in_plan(current, planned)
    heads, groups = group_records([record for record in chosen if record["status"] == "finished"], report)
    if not groups:
        return ()
    left_out = {"of another results version": len(all_records) - len(current),
                "not planned": len(current) - len(chosen)}
    shared = shared_notes(groups, chosen, planned, running, left_out)
    names = list(dict.fromkeys(name for group in groups for scores in group.scores for name in scores))
    tables = [with_published(table, groups, report.published) for layout in (*TABLES, *extra_layout(report.columns))
              if (table := _table(layout, heads, groups, names, report)) is not None]
    cited = uncited_note(tables, report.published)
    effects = effects_table(groups, names, report)
    tables += [] if effects is None else [effects]
    scores = {column.score for table in tables for column in table.columns}
    missing = [listing("No table has the scores to be tested", [name for name in report.tests if name not in scores]),
               listing("No trial has the further scores", [name for name in report.columns if name not in scores]),
               why_none(names, report) if effects is None else "", cited]
    notes = tuple(filter(None, [*shared, *missing, *remarks]))
    return tuple(replace(table, notes=(*table.notes, *notes)) for table in tables)


def _in_order(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: str(record.get("started") or ""))


def _in_plan(records: Sequence[Record], planned: Sequence[Mapping[str, Any]]) -> list[Record]:
    place = {canonical(spec): i for i, spec in enumerate(planned)}
    places = [(place.get(canonical(record["spec"])), i) for i, record in enumerate(records)]
    return [records[i] for _, i in sorted((at, i) for at, i in places if at is not None)]


def _table(
    layout: TableLayout, heads: tuple[str, ...], groups: Sequence[Group], names: Sequence[str], report: ReportSpec
) -> Table | None:
    columns = tuple(_tested(column, report) for column in layout.columns(names) if column.score in names)
    if not any(column.score in layout.core for column in columns):
        return None
    values = row_values(layout, columns, groups)
    against = baselines(values, tuple(report.baseline))
    gaps = differences(values, columns, against)
    best, tied = best_and_tied(values, columns)
    rows = tuple(
        Row(row.labels, len(row.seeds), tuple(
            _cell(row, j, column, best=(i, j) in best, tied=(i, j) in tied, difference=gaps.get((i, j)))
            for j, column in enumerate(columns)
        ), row.test_data, row.is_baseline, row.is_reference)
        for i, row in enumerate(values)
    )
    table = Table(layout.name, layout.title, heads, columns, rows, (), groups[0].keys)
    return replace(table, notes=legend(table, values, against, layout.note, named=bool(report.baseline)))


def _tested(column: Column, report: ReportSpec) -> Column:
    """Return the column, tested if the report's `tests` name it; unchanged if they are empty."""
    return replace(column, tested=column.score in report.tests) if report.tests else column


def _cell(row: RowValues, index: int, column: Column, *, best: bool, tied: bool, difference: Difference | None) -> Cell:
    pairs = [(trial, value) for trial, value in zip(row.trials, row.values[index], strict=True) if value is not None]
    if not pairs:
        return Cell(None, "\N{EM DASH}")
    trials, values = zip(*pairs, strict=True)
    if column.kind == "worst":
        interval = Interval(max(values), None, len(values))
        text = f"{interval.mean:.1e}"
    else:
        interval = mean_interval(values)
        text = f"{sum(values):g}/{len(values)}" if column.kind == "count" else format_interval(interval, column)
    brackets = f" ({len(values)})" if len(values) < len(row.seeds) and column.kind != "count" else ""
    star = difference is not None and difference.star
    return Cell(interval, text + brackets, best, tied, star, difference, trials, values)
