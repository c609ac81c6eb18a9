"""Tables as Markdown with aligned columns, which is readable in a terminal too."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from unicodedata import east_asian_width

from harness.report.tables.cells import Cell, Table

WIDTH = 110
FIRST_WIDE = "\u1100"  # all letters before it are one column wide


def to_markdown(tables: Iterable[Table], width: int = WIDTH) -> str:
    """Return the tables with aligned columns; a table wider than ``width`` is continued below, with its label columns.

    The best cell is bold, tied cells are italic, significant differences have a star. Differences to the baseline are
    below the scores.
    """
    return "\n\n".join(_table(table, width) for table in tables) + "\n"


def _table(table: Table, width: int) -> str:
    blocks = [f"### {table.title}", *_grids(table, width)]
    differences = table.differences()
    if differences:
        blocks += [f"{differences.title}:", *_grids(differences, width)]
    blocks.append("\n".join(fill(_escaped(note), width, break_on_hyphens=False) for note in table.notes))
    return "\n\n".join(blocks)


def _grids(table: Table, width: int) -> list[str]:
    labels = len(table.heads) + 1
    columns = list(zip(*_grid(table), strict=True))
    widths = [max(2, *map(_columns, column)) for column in columns]
    label_width = 1 + sum(size + 3 for size in widths[:labels])

    def fits(first: int, last: int) -> bool:
        return label_width + sum(size + 3 for size in widths[labels + first : labels + last]) <= width

    return ["\n".join(_lines(part)) for part in table.parts(fits)]


def _lines(table: Table) -> list[str]:
    labels, grid = len(table.heads), _grid(table)
    widths = [max(2, *map(_columns, column)) for column in zip(*grid, strict=True)]
    rule = ["-" * size if i < labels else "-" * (size - 1) + ":" for i, size in enumerate(widths)]
    return [_line(grid[0], widths, labels), _line(rule, widths, labels), *(_line(g, widths, labels) for g in grid[1:])]


def _grid(table: Table) -> list[list[str]]:
    grid = [[*table.heads, "n", *(column.head for column in table.columns)]]
    for row in table.rows:
        first = row.labels[0] + (" (baseline)" if row.is_baseline else "")
        grid.append([first, *row.labels[1:], row.count, *map(_cell, row.cells)])
    return [[_escaped(text) for text in line] for line in grid]


def _line(texts: Sequence[str], widths: Sequence[int], labels: int) -> str:
    padded = []
    for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
        space = " " * (width - _columns(text))
        padded.append(text + space if i < labels else space + text)
    return f"| {' | '.join(padded)} |"


def _cell(cell: Cell) -> str:
    mark = "**" if cell.best else "_" if cell.tied else ""
    return f"{mark}{cell.text}{mark}{'*' if cell.star else ''}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _columns(text: str) -> int:
    if max(text, default="") < FIRST_WIDE:
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
