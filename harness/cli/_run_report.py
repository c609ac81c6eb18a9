"""The report at the end of `run` and `sweep`: its files, and the lines that name the page, one figure and `report`."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli._report_files import PAGE, SUFFIXES, write_tables
from harness.errors import shorten
from harness.report.inputs import Report
from harness.store.experiments import default_results
from harness.store.store import Store

FIRST = ("pck", "differences", "convergence")  # the figure that is named: the first of these that was drawn


def write_run_report(store: Store, report: Report) -> list[Path]:
    """Write tables, figures and page beside the records, and return them; none without a table.

    The tables are written first. Whatever keeps the page from being drawn costs a warning and no trial.
    """
    if not report.tables:
        return []
    tables = write_tables(report, store.folder, "report", tuple(SUFFIXES))
    try:
        from harness.cli._report_pages import write_report

        return tables + write_report(store.results, report, store.folder, "report", (PAGE,))
    except Exception as error:  # of any library that draws
        print(f"warning: no page: {type(error).__name__}: {shorten(str(error), 200)}", file=sys.stderr)
        return tables


def print_run_report(store: Store, files: Sequence[Path]) -> None:
    """Print on stderr where the page and one figure are, and the command that writes them again."""
    figures = {path.stem: path for path in reversed(files) if path.suffix == ".png"}
    figure = next((figures[name] for name in FIRST if name in figures), None)
    lines = [f"page     {path}" for path in files if path.suffix == f".{PAGE}"]
    lines += [f"figure   {figure}"] if figure else []
    if files:
        place = "" if store.results == default_results() else f" --results {shlex.quote(os.fspath(store.results))}"
        lines.append(f"report   python -m harness report {shlex.quote(store.experiment)}{place}")
    print("\n".join(lines), end="\n" * bool(lines), file=sys.stderr)
