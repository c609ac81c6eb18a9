"""What a search leaves beside its records, and how its end is shown."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._options import counts
from harness.report.statistics import mean_interval
from harness.search.best import TEST, write_best
from harness.search.outcome import Outcome, Tried
from harness.store.store import Store
from harness.store.urls import shown

if TYPE_CHECKING:
    from harness.config.spec import Experiment

MOST = 10  # settings that are printed
FIGURES = "figures"


def keep(experiment: "Experiment", store: Store, found: Outcome) -> list[Path]:
    """Write the best setting as an experiment, and the figures; return the files."""
    if found.best is None:
        return []
    from harness.report.figures import draw
    from harness.report.figures._search_figures import charts

    files = [write_best(store.folder, experiment, found, found.best, records_of(store, found.best))]
    objectives = [(each.score, 1 if each.direction == "maximize" else -1) for each in found.objectives]
    trials = [(tried.number, tried.values or [None] * len(objectives), tried.status) for tried in found.settings]
    figures = charts(objectives, trials, found.importances)
    return [*files, *draw(figures, store.folder / FIGURES)]


def records_of(store: Store, tried: Tried) -> list[dict[str, Any]]:
    """Return the records of a setting's trials."""
    return [record for trial in tried.trials if (record := store.record(trial)) is not None]


def tables(store: Store, found: Outcome) -> str:
    """Return the best settings, what the best one scores on the test split, and what mattered, as Markdown."""
    several = len(found.objectives) > 1
    shown_settings = found.front if several else found.finished
    heads = ["number", *(each.score for each in found.objectives), "seeds", "setting"]
    rows = [[str(tried.number), *(f"{value:.4g}" for value in tried.values), str(tried.seeds), words(tried.params)]
            for tried in shown_settings[:MOST]]
    met = counts(tried.status for tried in found.settings)
    title = "Settings that no other one beats" if several else "Best settings"
    parts = [f"### {title} of {len(found.settings)} tried: {met}", grid(heads, rows) if rows else "None has finished."]
    if found.best is not None:
        tested = _tested(records_of(store, found.best))
        if tested:
            parts.append(f"Number {found.best.number} on the test split, which the search did not look at: {tested} "
                         f"(mean and half width of the 95% t interval over seeds).")
    for score, shares in found.importances.items():
        parts.append(f"### What mattered to {score}\n\n" + grid(
            ["share", "dimension"], [[f"{share:.2f}", name] for name, share in shares.items()]))
    return "\n\n".join(parts)


def as_json(experiment: "Experiment", store: Store, found: Outcome, summary: Any, files: Sequence[Path]) -> str:
    """Return all of it for a script."""
    front = {tried.number for tried in found.front}
    return json.dumps({
        "experiment": experiment.name, "results": str(store.folder), "summary": asdict(summary), "study": found.study,
        "storage": shown(found.url), "objective": [asdict(each) for each in found.objectives],
        "best": found.best and found.best.number, "importances": found.importances, "files": list(map(str, files)),
        "settings": [{**asdict(tried), "on_front": tried.number in front} for tried in found.settings],
    }, indent=1)


def words(params: Mapping[str, Any]) -> str:
    """Return parameters in words."""
    return " ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                    for name, value in params.items())


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns; the last is text."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
        return f"| {' | '.join([*padded, cells[-1].ljust(widths[-1])])} |"

    rule = [*("-" * (width - 1) + ":" for width in widths[:-1]), "-" * widths[-1]]
    return "\n".join([line(heads), line(rule), *map(line, rows)])


def _tested(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a setting's scores on the test split, in words."""
    lines = []
    for name in TEST:
        values = [record["scores"].get(name, math.nan) for record in records]
        if values and all(map(math.isfinite, values)):
            found = mean_interval(values)
            lines.append(f"{name} {found.mean:.3f}" + ("" if found.half_width is None else f"±{found.half_width:.3f}"))
    return ", ".join(lines)
