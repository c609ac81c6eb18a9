"""Files of a report: writes its tables in every format."""

from collections.abc import Sequence
from pathlib import Path

from harness.report.inputs import Report
from harness.report.layout import ReportLayout, build_report, layout_of, read_layout, read_part, write_layout
from harness.report.writers import csv_json, latex, markdown
from harness.report.writers.document import to_document, to_text
from harness.store.atomic_files import replace_file

__all__ = ["PAGE", "SUFFIXES", "ReportLayout", "build_report", "layout_of", "read_layout", "read_part", "render_tables",
           "write_layout", "write_tables"]

PAGE = "html"  # with the figures
SUFFIXES = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "json": ".json"}


def render_tables(report: Report, form: str) -> str:
    """Return a report's tables as markdown, latex or csv."""
    if form == "latex":
        return latex.to_latex(report.tables, report.name)
    return {"markdown": markdown.to_markdown, "csv": csv_json.to_csv}[form](report.tables)


def write_tables(report: Report, folder: Path, stem: str, forms: Sequence[str] = tuple(SUFFIXES)) -> list[Path]:
    """Write a report in several formats and return the files."""
    paths = [folder / f"{stem}{SUFFIXES[form]}" for form in forms]
    for path, form in zip(paths, forms, strict=True):
        text = to_text(to_document(report)) if form == "json" else render_tables(report, form)
        replace_file(path, text.encode())
    return paths
