"""Tables as LaTeX with booktabs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.report.tables.cells import Cell, Table

PACKAGES = r"% Needs \usepackage{booktabs,graphicx} in the preamble."
MOST_COLUMNS = 6
SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"  # if wider than the text
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{EM DASH}": "---", "|": r"\textbar{}",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$", "\N{RIGHTWARDS ARROW}": r"$\to$", "\N{LEFTWARDS ARROW}": r"$\leftarrow$",
    "\N{MULTIPLICATION SIGN}": r"$\times$", "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$", "\N{EN DASH}": "--",
}


def to_latex(tables: Iterable[Table], report: str) -> str:
    """Return a comment with the packages, and table environments; a wide table is continued in a second one.

    Labels begin with the name of the ``report``, so that several can stand in one paper. The best cell is bold, tied
    cells are italic, significant differences have a star. Differences to the baseline follow in another table.
    """
    return "\n".join([PACKAGES, *(text for table in tables for text in _tables(table, report))])


def _tables(table: Table, report: str) -> Iterator[str]:
    differences = table.differences()
    named = replace(differences, title=f"{table.title}: {differences.title.lower()}") if differences else None
    for whole in filter(None, (table, named)):
        for i, part in enumerate(whole.parts(lambda first, last: last - first <= MOST_COLUMNS)):
            yield _table(part, i, report)


def _table(table: Table, continued: int, report: str) -> str:
    heads = [*map(escape, table.heads), "$n$", *(escape(column.head) for column in table.columns)]
    name, suffix = (f"{table.name}-{continued}", " (continued)") if continued else (table.name, "")
    lines = [
        r"\begin{table}",
        r"\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escape(table.title)}{suffix}.}}",
        rf"\label{{tab:{report}:{name}}}",
        rf"{SHRINK}\begin{{tabular}}{{{'l' * len(table.heads)}{'r' * (1 + len(table.columns))}}}",
        r"\toprule",
        _line(heads),
        r"\midrule",
    ]
    was_reference = table.rows[0].is_reference
    for row in table.rows:
        if row.is_reference and not was_reference:
            lines.append(r"\midrule")
        was_reference = row.is_reference
        first = escape(row.labels[0]) + (" (baseline)" if row.is_baseline else "")
        cells = [first, *map(escape, row.labels[1:]), escape(row.count), *map(_cell, row.cells)]
        lines.append(_line(cells))
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes and not continued:
        notes = escape(" ".join(table.notes))
        lines += [r"\par\smallskip", rf"\begin{{minipage}}{{\linewidth}}\footnotesize {notes}\end{{minipage}}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _line(cells: Sequence[str]) -> str:
    """Return a table's line; a group before "[" or "*" keeps LaTeX from reading it as an argument of the line above."""
    guard = "{}" if cells[0].lstrip().startswith(("[", "*")) else ""
    return guard + " & ".join(cells) + r" \\"


def escape(text: str) -> str:
    """Return text with LaTeX's special characters escaped."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def _cell(cell: Cell) -> str:
    text = re.sub(r"^[+-](?=\d)", r"$\g<0>$", escape(cell.text))  # a minus sign instead of a hyphen
    star = r"$^{*}$" if cell.star else ""
    if cell.best or cell.tied:
        text = rf"\text{'bf' if cell.best else 'it'}{{{text}}}"
    return text + star
