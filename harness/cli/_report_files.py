"""An experiment's report: how it is laid out, what it is made from, and every format it is written in."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.spec import Experiment, Published, ReportSpec
from harness.report.inputs import Part, Report, reported
from harness.report.tables.build import Table
from harness.report.writers import csv_json, latex, markdown
from harness.report.writers.document import document, written
from harness.store import lock
from harness.store.atomic_files import replace_file
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.search.trial_source import Planned

SUFFIXES = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "json": ".json"}
LAYOUT = "experiment.json"  # beside trials/: the experiment as it was last run, so that a name is enough for its tables


@dataclass(frozen=True)
class Layout:
    """How an experiment's tables are laid out, and which trials belong in them, None for every one recorded."""

    report: ReportSpec
    planned: Sequence[Mapping[str, Any]] | None


def layout_of(experiment: Experiment) -> Layout:
    """Return the layout that an experiment asks for; a search plans no trials beforehand."""
    planned = None if experiment.search else [spec.to_dict() for spec in experiment.trials]
    return Layout(experiment.report, planned)


def note(store: Store, experiment: Experiment, trials: "Iterable[Planned]") -> None:
    """Keep the experiment as it is run now."""
    content = {"name": experiment.name, "source": experiment.source, "axes": experiment.axes,
               "seeds": experiment.seeds, "report": asdict(experiment.report),
               "trials": {trial.id: trial.spec.to_dict() for trial in trials}}
    replace_file(store.folder / LAYOUT, json.dumps(content, indent=1).encode())


def noted(store: Store) -> Layout | None:
    """Return the layout of the experiment as it was last run, None where that is not known."""
    try:
        content = json.loads((store.folder / LAYOUT).read_bytes())
        report = content["report"]
        words = {key: tuple(report.get(key, ())) for key in ("rows", "columns", "tests", "effects")}
        cited = tuple(Published(**figure) for figure in report.get("published", ()))
        spec = ReportSpec(baseline=report["baseline"], published=cited, **words)
        return Layout(spec, list(content["trials"].values()) or None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def part_of(store: Store, layout: Layout, warn: Callable[[str], None] = lambda text: None) -> Part:
    """Return what an experiment brings to a report now, trials under way included; ``warn`` hears what is not read."""
    records, unreadable = store.survey()
    for trial, problem in unreadable.items():
        warn(f"{store.path(trial)} is not trusted: {problem}")
    markers = [marker for marker in store.orphans().values() if marker.get("spec") and lock.alive(marker)]
    planned = None if layout.planned is None else tuple(layout.planned)
    return Part(store.experiment, tuple(records), layout.report, planned,
                tuple(marker["spec"] for marker in markers))


def report_of(store: Store, layout: Layout) -> Report:
    """Return the report that the store's records can fill."""
    return reported(part_of(store, layout))


def rendered(tables: Sequence[Table], form: str) -> str:
    """Return the tables as markdown, latex or csv."""
    return {"markdown": markdown.render, "latex": latex.render, "csv": csv_json.to_csv}[form](tables)


def write(report: Report, folder: Path, stem: str, forms: Sequence[str] = tuple(SUFFIXES)) -> list[Path]:
    """Write a report in several formats and return the files."""
    paths = [folder / f"{stem}{SUFFIXES[form]}" for form in forms]
    for path, form in zip(paths, forms, strict=True):
        text = written(document(report)) if form == "json" else rendered(report.tables, form)
        replace_file(path, text.encode())
    return paths
