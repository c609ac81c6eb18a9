"""Tables as Markdown that also reads well in a terminal."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from unicodedata import east_asian_width

from harness.report.tables import Cell, Table

WIDTH = 110


def render(tables: Iterable[Table], width: int = WIDTH) -> str:
    """Return the tables with aligned columns; one too wide is continued below itself, label columns repeated."""
    return "\n\n".join(_table(table, width) for table in tables) + "\n"


def _table(table: Table, width: int) -> str:
    blocks = [f"### {table.title}"]
    first = 0
    while first < len(table.columns):
        last = len(table.columns)
        while last > first + 1 and _width(_lines(table.part(first, last))) > width:
            last -= 1
        blocks.append("\n".join(_lines(table.part(first, last))))
        first = last
    blocks.append("\n".join(fill(_escaped(note), width, break_on_hyphens=False) for note in table.notes))
    return "\n\n".join(blocks)


def _lines(table: Table) -> list[str]:
    labels = len(table.heads)
    grid = [[*table.heads, "n", *(column.head for column in table.columns)]]
    for row in table.rows:
        first = row.labels[0] + (" (baseline)" if row.is_baseline else "")
        grid.append([first, *row.labels[1:], str(row.seeds), *map(_cell, row.cells)])
    grid = [[_escaped(text) for text in line] for line in grid]
    widths = [max(2, *(map(_columns, column))) for column in zip(*grid, strict=True)]
    rule = ["-" * size if i < labels else "-" * (size - 1) + ":" for i, size in enumerate(widths)]
    return [_line(grid[0], widths, labels), _line(rule, widths, labels), *(_line(g, widths, labels) for g in grid[1:])]


def _line(texts: Sequence[str], widths: Sequence[int], labels: int) -> str:
    padded = []
    for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
        space = " " * (width - _columns(text))
        padded.append(text + space if i < labels else space + text)
    return f"| {' | '.join(padded)} |"


def _cell(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _width(lines: Sequence[str]) -> int:
    return max(map(_columns, lines))


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
