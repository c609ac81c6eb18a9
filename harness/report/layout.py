"""The layout of an experiment's report beside its records, and the report that the records make with it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.config.load import heading
from harness.config.spec import Experiment, Published, ReportSpec, TrialSpec
from harness.errors import UsageError
from harness.report.inputs import Report, ReportInputs, make_report
from harness.report.tables.notes import listing
from harness.store import lock
from harness.store.atomic_files import replace_file
from harness.store.renamed import how_to_rename
from harness.store.store import Store

LAYOUT = "experiment.json"  # beside trials/: the experiment as last run; with it a name is enough to report


class Planned(Protocol):
    """A trial of the plan: its id and its setting."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def spec(self) -> TrialSpec: ...  # noqa: D102


@dataclass(frozen=True)
class ReportLayout:
    """The layout of an experiment's tables, and the settings of the trials in them (None: all recorded trials)."""

    report: ReportSpec
    planned: Sequence[Mapping[str, Any]] | None


def layout_of(experiment: Experiment) -> ReportLayout:
    """Return an experiment's layout; for a search without planned trials, which are not known beforehand."""
    planned = None if experiment.search else [spec.to_dict() for spec in experiment.trials]
    return ReportLayout(experiment.report, planned)


def write_layout(store: Store, experiment: Experiment, trials: Iterable[Planned]) -> None:
    """Write the experiment as it is run now to LAYOUT."""
    content = {"name": experiment.name, "source": experiment.source, "question": _question(experiment.source),
               "axes": experiment.axes, "seeds": experiment.seeds, "report": asdict(experiment.report),
               "trials": {trial.id: trial.spec.to_dict() for trial in trials}}
    replace_file(store.folder / LAYOUT, json.dumps(content, indent=1).encode())


def _question(source: str) -> str:
    """Return what an experiment's file says at its head; "" for a file that is gone."""
    try:
        return " ".join(heading(Path(source)))
    except UsageError:
        return ""


def read_layout(store: Store) -> ReportLayout | None:
    """Return the layout of the experiment as it was last run, None if LAYOUT is missing or damaged."""
    try:
        content = json.loads((store.folder / LAYOUT).read_bytes())
        report = content["report"]
        words = {key: tuple(report.get(key, ())) for key in ("rows", "columns", "tests", "effects")}
        cited = tuple(Published(**figure) for figure in report.get("published", ()))
        spec = ReportSpec(baseline=report["baseline"], published=cited, **words)
        return ReportLayout(spec, list(content["trials"].values()) or None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read_part(store: Store, layout: ReportLayout, warn: Callable[[str, int], None] = lambda text, count: None
              ) -> ReportInputs:
    """Return an experiment's part of a report, running trials included.

    ``warn`` gets a text about records that are not trusted, and their number; they are named under the tables.
    """
    records, unreadable = store.survey()
    renamed = how_to_rename(store, unreadable)
    if renamed:
        warn(f"{store.trials}: {len(unreadable)} records are not trusted: {renamed}", len(unreadable))
    for trial, problem in unreadable.items() if not renamed else ():
        warn(f"{store.path(trial)} is not trusted: {problem}; the next run of {store.experiment} computes it again", 1)
    untrusted = listing("Left out, since they are not trusted",
                        [f"trial {trial} ({problem})" for trial, problem in unreadable.items()])
    markers = [marker for marker in store.start_markers().values() if marker.get("spec") and lock.alive(marker)]
    planned = None if layout.planned is None else tuple(layout.planned)
    return ReportInputs(store.experiment, tuple(records), layout.report, planned,
                        tuple(marker["spec"] for marker in markers), remarks=tuple(filter(None, [untrusted])))


def build_report(store: Store, layout: ReportLayout) -> Report:
    """Return the report of a store's records."""
    return make_report(read_part(store, layout))
