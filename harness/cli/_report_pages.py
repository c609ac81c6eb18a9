"""A report's figures and pages, written beside its tables."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._trial_files import reader
from harness.report import figures, html
from harness.report.html._collect import collect
from harness.store import mlflow_mirror
from harness.store.store import Store
from harness.store.urls import shown

if TYPE_CHECKING:
    from harness.report.inputs import Report


def write(results: Path, report: "Report", folder: Path, stem: str) -> list[Path]:
    """Draw the figures, write the page and those of its settings; return the page and the figures' files."""
    place = "figures" if stem == "report" else f"{stem}-figures"
    drawn = _drawn(figures.charts(figures.source(report.tables, report.records, reader(results))), folder, place)
    named = {trial for table in report.tables for row in table.rows for cell in row.cells for trial in cell.trials}
    runs = _runs(results, {str(report.records[trial]["experiment"]) for trial in named})
    trials = collect([report.records[trial] for trial in named], results, folder, runs, _hint(results))
    content = html.Content(report.name, report.tables, trials, {k: found for k, (found, _) in drawn.items()}, stem)
    pages = {f"{stem}.html": html.render(content), **dict(html.pages(content))}
    shutil.rmtree(folder / f"{stem}-trials", ignore_errors=True)  # pages of settings that are no longer there
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [folder / f"{stem}.html", *(file for _, files in drawn.values() for file in files)]


def _drawn(charts: Mapping[str, figures.Chart], folder: Path, place: str) -> dict[str, tuple[html.Drawn, list[Path]]]:
    found = {}
    for kind, chart in charts.items():
        files = figures.save(chart, folder / place, kind)
        svg = (folder / place / f"{kind}.svg").read_text(encoding="utf-8")
        addresses = {file.suffix[1:]: f"{place}/{file.name}" for file in files}
        found[kind] = (html.Drawn(chart.title, chart.caption, svg, chart.size_in()[0], addresses), files)
    return found


def _runs(results: Path, experiments: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return where MLflow shows each attempt, by id and start; none without a server, or where it does not answer."""
    uri = _server()
    found: dict[tuple[str, str], str] = {}
    try:
        for experiment in experiments if uri else ():
            found |= mlflow_mirror.pages(Store(results, experiment), uri)
    except Exception as error:  # whatever is wrong with a server, the page does without its links
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        print(f"warning: pages without links to MLflow: {shown(uri)}: {told}", file=sys.stderr)
    return found


def _hint(results: Path) -> str:
    uri = _server()
    return f"Its run may be in MLflow at {shown(uri)}." if uri else (
        f"Its run in MLflow: python -m harness ui --results {results}")


def _server() -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or ""
    return uri if uri.startswith(("http:", "https:")) else ""
