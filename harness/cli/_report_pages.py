"""Files of a report: writes its figures and HTML pages beside its tables."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.cli._report_files import PAGE, write_tables
from harness.cli._trial_files import reader
from harness.errors import UsageError, shorten
from harness.report import figures, html
from harness.report.html._collect import collect
from harness.report.inputs import Report
from harness.store import mlflow_mirror
from harness.store.store import Store
from harness.store.urls import hide_password


def write_report(results: Path, report: Report, folder: Path, stem: str, forms: Sequence[str]) -> list[Path]:
    """Write a report in several formats; return its files without the pages of its settings."""
    try:
        paths = write_tables(report, folder, stem, [form for form in forms if form != PAGE])
        return paths + (write_pages(results, report, folder, stem) if PAGE in forms else [])
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def write_pages(results: Path, report: Report, folder: Path, stem: str) -> list[Path]:
    """Write the figures, the page and the pages of its settings; return the page and the figures' files."""
    place = "figures" if stem == "report" else f"{stem}-figures"
    drawn = _draw(figures.charts(figures.source(report.tables, report.records, reader(results))), folder, place)
    named = {trial for table in report.tables for row in table.rows for cell in row.cells for trial in cell.trials}
    runs = _runs(results, {str(report.records[trial]["experiment"]) for trial in named})
    trials = collect([report.records[trial] for trial in named], results, folder, runs, _hint(results))
    page_figures = {kind: figure for kind, (figure, _) in drawn.items()}
    content = html.Content(report.name, report.tables, trials, page_figures, stem)
    pages = {f"{stem}.html": html.report_page(content), **dict(html.setting_pages(content))}
    shutil.rmtree(folder / f"{stem}-trials", ignore_errors=True)  # pages of settings that no longer exist
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [folder / f"{stem}.html", *(file for _, files in drawn.values() for file in files)]


def _draw(charts: Mapping[str, figures.Chart], folder: Path, place: str
          ) -> dict[str, tuple[html.PageFigure, list[Path]]]:
    drawn = {}
    for kind, chart in charts.items():
        files = figures.save(chart, folder / place, kind)
        svg = (folder / place / f"{kind}.svg").read_text(encoding="utf-8")
        addresses = {file.suffix[1:]: f"{place}/{file.name}" for file in files}
        drawn[kind] = (html.PageFigure(chart.title, chart.caption, svg, chart.size_in()[0], addresses), files)
    return drawn


def _runs(results: Path, experiments: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return MLflow's address of each attempt, by id and start; empty without a server or an answer from it."""
    uri = _server()
    addresses: dict[tuple[str, str], str] = {}
    try:
        for experiment in experiments if uri else ():
            addresses |= mlflow_mirror.run_pages(Store(results, experiment), uri)
    except Exception as error:  # after any fault of the server the page is written without links
        reason = f"{type(error).__name__}: {shorten(str(error), 200)}"
        print(f"warning: pages without links to MLflow: {hide_password(uri)}: {reason}", file=sys.stderr)
    return addresses


def _hint(results: Path) -> str:
    uri = _server()
    return f"Its run may be in MLflow at {hide_password(uri)}." if uri else (
        f"Its run in MLflow: python -m harness ui --results {shlex.quote(str(results))}")


def _server() -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or ""
    return uri if uri.startswith(("http:", "https:")) else ""
