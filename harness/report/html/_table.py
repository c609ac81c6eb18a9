"""A table of numbers as HTML: every cell opens to the trials that it comes from."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from harness.report.html._page import link, scrolling
from harness.report.tables.cells import Cell, Row, Table
from harness.report.tables.columns import Column

Href = Callable[[str], str]  # a trial's id -> the address of its page, "" where it has none


def table(found: Table, href: Href, *, cells_open: bool, heading: str = "") -> str:
    """Return the table; with ``cells_open`` every cell lists its trials, else each row and cells that lack some."""
    rows = [row for row in found.rows if not row.is_reference]
    references = [row for row in found.rows if row.is_reference]
    parts = [f"<tbody>\n{_rows(found, part, href, cells_open=cells_open)}\n</tbody>" for part in (rows, references)
             if part]
    body = "\n".join(parts)
    is_said = found.title == heading
    caption = f'<caption{" class=unseen" if is_said else ""}>{escape(found.title)}</caption>'
    label = found.title if is_said else f"{heading}: {found.title}"
    return scrolling(f"<table>\n{caption}\n{_head(found)}\n{body}\n</table>", label)


def _head(found: Table) -> str:
    labels = "".join(f'<th scope="col" class="label">{escape(head)}</th>' for head in found.heads)
    columns = "".join(f'<th scope="col">{escape(column.head)}</th>' for column in found.columns)
    return f'<thead>\n<tr>{labels}<th scope="col"><abbr title="seeds">n</abbr></th>{columns}</tr>\n</thead>'


def _rows(found: Table, rows: Iterable[Row], href: Href, *, cells_open: bool) -> str:
    return "\n".join(f"<tr>{_row(row, found.columns, href, cells_open=cells_open)}</tr>" for row in rows)


def _row(row: Row, columns: Sequence[Column], href: Href, *, cells_open: bool) -> str:
    first = escape(row.labels[0]) + (' <span class="badge">baseline</span>' if row.is_baseline else "")
    labels = f'<th scope="row">{first}</th>' + "".join(f'<td class="label">{escape(x)}</td>' for x in row.labels[1:])
    trials = list(dict.fromkeys(trial for cell in row.cells for trial in cell.trials))
    count = _opened(row.count, _listed([(trial, "") for trial in trials], href)) if trials else row.count
    cells = "".join(
        f"<td>{_cell(cell, column, href, is_open=cells_open or len(cell.trials) < len(trials))}</td>"
        for cell, column in zip(row.cells, columns, strict=True)
    )
    return f"{labels}<td>{count}</td>{cells}"


def _cell(cell: Cell, column: Column, href: Href, *, is_open: bool) -> str:
    words = escape(cell.text)
    words = f"<strong>{words}</strong>" if cell.best else f"<em>{words}</em>" if cell.tied else words
    words += "<sup>*</sup>" if cell.star else ""
    if not cell.trials or not is_open:
        return words
    values = [f"{value:.4g}" for value in cell.values] or [""] * len(cell.trials)
    return _opened(words, _listed(zip(cell.trials, values, strict=True), href) + _compared(cell, column))


def _opened(summary: str, inside: str) -> str:
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _listed(trials: Iterable[tuple[str, str]], href: Href) -> str:
    found = [(href(trial), trial[:8], value) for trial, value in trials]
    items = "".join(f"<li>{link(address, words, 'id') if address else words}<span>{escape(value)}</span></li>"
                    for address, words, value in found)
    return f'<ul class="trials">{items}</ul>'


def _compared(cell: Cell, column: Column) -> str:
    """Return what a cell's comparison with its baseline says, in words."""
    found = cell.difference
    if found is None:
        return ""
    half = found.interval.half_width
    words = f"{found.interval.mean:+.4g}" + (f" \N{PLUS-MINUS SIGN} {half:.2g}" if half is not None else "")
    words += f" to {' '.join(found.baseline)} over {found.interval.count} shared seeds; p = {found.p:.3g}"
    words += f", after correction {found.adjusted:.3g}" if found.adjusted is not None else ""
    words += f"; effect size {found.effect:.2g}" if found.effect is not None else ""
    words += f"; better in {100 * found.improvement:.0f}% of pairs" if column.better else ""
    return f'<p class="own">{escape(words)}</p>'
