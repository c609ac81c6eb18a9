"""The end of a search: writes its files (best setting, figures) and formats its tables and its JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.cli._options import format_counts
from harness.config.spec import Experiment
from harness.report.statistics import mean_interval
from harness.search.best import TEST, write_best
from harness.search.outcome import Outcome, TriedSetting
from harness.search.setting import format_params
from harness.store.store import Store
from harness.store.urls import hide_password

MOST = 10  # settings in the printed table
FIGURES = "figures"


def write_files(experiment: Experiment, store: Store, outcome: Outcome) -> list[Path]:
    """Write the best setting as an experiment file, and the figures; return the files."""
    if outcome.best is None:
        return []
    from harness.report.figures import save_all
    from harness.report.figures._search_figures import charts

    files = [write_best(store.folder, experiment, outcome, outcome.best, records_of(store, outcome.best))]
    objectives = [(objective.score, 1 if objective.direction == "maximize" else -1) for objective in outcome.objectives]
    trials = [(tried.number, tried.values or [None] * len(objectives), tried.status) for tried in outcome.settings]
    figures = charts(objectives, trials, outcome.importances)
    return [*files, *save_all(figures, store.folder / FIGURES)]


def records_of(store: Store, tried: TriedSetting) -> list[dict[str, Any]]:
    """Return the records of a setting's trials."""
    return [record for trial in tried.trials if (record := store.record(trial)) is not None]


def markdown_tables(store: Store, outcome: Outcome) -> str:
    """Return the best settings, the test scores of the best one, and the importances as Markdown."""
    several = len(outcome.objectives) > 1
    heads = ["number", *(objective.score for objective in outcome.objectives), "seeds", "setting"]
    rows = [[str(tried.number), *(f"{value:.4g}" for value in tried.values), str(tried.seeds),
             format_params(tried.params)] for tried in (outcome.front if several else outcome.finished)[:MOST]]
    statuses = format_counts(tried.status for tried in outcome.settings)
    title = "Settings that no other one beats" if several else "Best settings"
    parts = [f"### {title} of {len(outcome.settings)} tried: {statuses}",
             markdown_table(heads, rows) if rows else "None has finished."]
    if outcome.best is not None:
        test_scores = _test_scores(records_of(store, outcome.best))
        if test_scores:
            parts.append(f"Number {outcome.best.number} on the test split, which the search did not look at: "
                         f"{test_scores} (mean and half width of the 95% t interval over seeds).")
    for score, shares in outcome.importances.items():
        parts.append(f"### What mattered to {score}\n\n" + markdown_table(
            ["share", "dimension"], [[f"{share:.2f}", name] for name, share in shares.items()]))
    return "\n\n".join(parts)


def search_json(experiment: Experiment, store: Store, outcome: Outcome, summary: Any, files: Sequence[Path]) -> str:
    """Return the outcome of a search and the summary of its run as JSON."""
    front = {tried.number for tried in outcome.front}
    return json.dumps({
        "experiment": experiment.name, "results": str(store.folder), "summary": asdict(summary), "study": outcome.study,
        "storage": hide_password(outcome.url), "objective": [asdict(each) for each in outcome.objectives],
        "best": outcome.best and outcome.best.number, "importances": outcome.importances,
        "files": list(map(str, files)),
        "settings": [{**asdict(tried), "on_front": tried.number in front} for tried in outcome.settings],
    }, indent=1)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns; the last one holds text, the others numbers."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
        return f"| {' | '.join([*padded, cells[-1].ljust(widths[-1])])} |"

    rule = [*("-" * (width - 1) + ":" for width in widths[:-1]), "-" * widths[-1]]
    return "\n".join([line(heads), line(rule), *map(line, rows)])


def _test_scores(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a setting's scores on the test split as text."""
    lines = []
    for name in TEST:
        values = [record["scores"].get(name, math.nan) for record in records]
        if values and all(map(math.isfinite, values)):
            interval = mean_interval(values)
            width = "" if interval.half_width is None else f"±{interval.half_width:.3f}"
            lines.append(f"{name} {interval.mean:.3f}{width}")
    return ", ".join(lines)
