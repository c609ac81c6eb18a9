"""Tables as LaTeX with booktabs."""

from collections.abc import Iterable

from harness.report.tables import Cell, Table

MOST_COLUMNS = 6
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{EM DASH}": "---", "|": r"\textbar{}",
}


def render(tables: Iterable[Table]) -> str:
    r"""Return table environments, for ``\usepackage{booktabs}``; a wide table is continued in a second one."""
    parts = []
    for table in tables:
        for first in range(0, len(table.columns), MOST_COLUMNS):
            parts.append(_table(table.part(first, first + MOST_COLUMNS), first // MOST_COLUMNS))
    return "\n".join(parts)


def _table(table: Table, continued: int) -> str:
    heads = [*table.heads, "$n$", *(escaped(column.head) for column in table.columns)]
    heads[: len(table.heads)] = map(escaped, table.heads)
    name, suffix = (f"{table.name}-{continued}", " (continued)") if continued else (table.name, "")
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.title)}{suffix}. {escaped(' '.join(table.notes))}}}",
        rf"\label{{tab:{name}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.heads)}{'r' * (1 + len(table.columns))}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    was_reference = False
    for row in table.rows:
        if row.is_reference and not was_reference:
            lines.append(r"\midrule")
        was_reference = row.is_reference
        first = escaped(row.labels[0]) + (" (baseline)" if row.is_baseline else "")
        cells = [first, *map(escaped, row.labels[1:]), str(row.seeds), *map(_cell, row.cells)]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def escaped(text: str) -> str:
    """Return text with every character that LaTeX reads as a command written out."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def _cell(cell: Cell) -> str:
    return rf"\textbf{{{escaped(cell.text)}}}" if cell.best else escaped(cell.text)
