"""An experiment's tables: which layout they have, and every format they are written in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.folders import replace_file
from harness.report import latex, markdown
from harness.report.tables import Table, build, to_json
from harness.spec import Experiment, ReportSpec
from harness.store import Store

if TYPE_CHECKING:
    from harness.conduct import Planned

SUFFIXES = {"markdown": ".md", "latex": ".tex", "json": ".json"}
LAYOUT = "experiment.json"  # beside trials/: the experiment as it was last run, so that a name is enough for its tables


@dataclass(frozen=True)
class Layout:
    """How an experiment's tables are laid out, and which trials belong in them, None for every one recorded."""

    report: ReportSpec
    planned: Sequence[Mapping[str, Any]] | None


def layout_of(experiment: Experiment) -> Layout:
    """Return the layout that an experiment asks for."""
    return Layout(experiment.report, [spec.to_dict() for spec in experiment.trials])


def note(store: Store, experiment: Experiment, trials: "Sequence[Planned]") -> None:
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
        spec = ReportSpec(tuple(report["rows"]), report["baseline"], tuple(report["columns"]))
        return Layout(spec, list(content["trials"].values()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tables_of(store: Store, layout: Layout) -> tuple[Table, ...]:
    """Return the tables that the store's records can fill."""
    return build(store.records(), layout.report, layout.planned)


def rendered(tables: Sequence[Table], form: str) -> str:
    """Return the tables as markdown, latex or json."""
    if form == "json":
        return json.dumps(to_json(tables), indent=1) + "\n"
    return latex.render(tables) if form == "latex" else markdown.render(tables)


def write(tables: Sequence[Table], folder: Path, stem: str, forms: Sequence[str] = tuple(SUFFIXES)) -> list[Path]:
    """Write the tables in several formats and return the files."""
    paths = [folder / f"{stem}{SUFFIXES[form]}" for form in forms]
    for path, form in zip(paths, forms, strict=True):
        replace_file(path, rendered(tables, form).encode())
    return paths
