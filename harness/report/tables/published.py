"""Published numbers of others, as rows below the settings that they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.config.setting_texts import ABSENT, canonical
from harness.config.spec import Published
from harness.report.statistics import Interval
from harness.report.tables.cells import Cell, Row, Table, format_interval
from harness.report.tables.notes import listing
from harness.report.tables.rows import Group, is_baseline
from harness.report.tables.values import labels_of


def with_published(table: Table, groups: Sequence[Group], published: Sequence[Published]) -> Table:
    """Return a table with a row for each published setting that was run here too, and a note on each source.

    Such a row has neither seeds nor trials; it is not compared and cannot be recomputed.
    """
    sources = list(dict.fromkeys(figure.source for figure in published))
    rows, cited, alone = [], [], []
    for setting, source in _apart(published):
        figures = {figure.score: figure.value for figure in published
                   if figure.setting == setting and figure.source == source}
        members = [group for group in groups if is_baseline(group.records[0]["spec"], setting)]
        heads = [column.head for column in table.columns if column.score in figures]
        if not members:
            alone += [f"{', '.join(heads)} of {canonical(setting)}"] if heads else []
        if not members or not heads:
            continue
        name = "published" if len(sources) == 1 else f"published [{sources.index(source) + 1}]"
        cells = tuple(_cell(table, i, figures, source) for i in range(len(table.columns)))
        rows.append(Row(labels_of(name, members, groups), 0, cells, members[0].test_data, is_reference=True))
        cited.append(f"{name}: not run here, so without interval or test. {source.rstrip('.')}.")
    notes = [*dict.fromkeys(cited), *filter(None, [listing("Published, but of settings without a row", alone)])]
    return replace(table, rows=(*table.rows, *rows), notes=(*table.notes, *notes))


def uncited_note(tables: Sequence[Table], published: Sequence[Published]) -> str:
    """Return a note on published scores that no table has; "" without any."""
    scores = {column.score for table in tables for column in table.columns}
    return listing("Published, but of scores that no table shows",
                   list(dict.fromkeys(figure.score for figure in published if figure.score not in scores)))


def _apart(published: Sequence[Published]) -> list[tuple[Mapping[str, object], str]]:
    """Return the distinct pairs of setting and source, in order: one row each."""
    by_row = {(canonical(figure.setting), figure.source): figure for figure in published}
    return [(figure.setting, figure.source) for figure in by_row.values()]


def _cell(table: Table, index: int, figures: Mapping[str, float], source: str) -> Cell:
    column = table.columns[index]
    if column.score not in figures:
        return Cell(None, ABSENT)
    interval = Interval(figures[column.score], None, 0)
    return Cell(interval, format_interval(interval, column), source=source)
