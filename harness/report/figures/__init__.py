"""A report's figures: one file per kind, found by its name.

They are drawn from the records that fill the tables: PDF and SVG for papers, PNG for screens, the numbers as CSV.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.figures._base import Chart, Kind, save, to_bytes
from harness.report.figures._source import FigureSource, numbered
from harness.report.figures._style import FORMATS
from harness.report.inputs import ReadFile
from harness.report.tables.rows import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.tables.cells import Table

__all__ = ["FORMATS", "Chart", "FigureSource", "charts", "kinds", "save", "save_all", "source", "to_bytes"]


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds of figures."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def source(tables: "Sequence[Table]", records: Mapping[str, Record], read: ReadFile) -> FigureSource:
    """Return the tables' rows and their trials' files, to draw figures from.

    ``records`` are by id; ``read(record, "points")`` gives the columns of one of a trial's files.
    """
    return FigureSource(tuple(tables), records, read, _keypoints)


def charts(source: FigureSource) -> Mapping[str, Chart]:
    """Return every figure that has numbers, by kind, in the order of a page."""
    ordered = sorted(kinds(), key=lambda kind: _kind(kind).place)
    built = {kind: _kind(kind).of(source) for kind in ordered}
    return {kind: chart for kind, chart in built.items() if chart is not None}


def save_all(figures: Mapping[str, Chart], folder: Path, forms: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write every figure to ``folder``, each in every format, and return the files."""
    return [path for kind, chart in figures.items() for path in save(chart, folder, kind, forms)]


def _kind(name: str) -> type[Kind]:
    module = importlib.import_module(f"{__name__}.{name}")
    return next(value for value in vars(module).values()
                if isinstance(value, type) and issubclass(value, Kind) and value.__module__ == module.__name__)


def _keypoints(record: Record, count: int) -> tuple[str, ...]:
    """Return the keypoints' names from the record; else from the data set; numbers if that is not found."""
    if record.get("keypoints"):
        return tuple(record["keypoints"])
    from harness import registry
    from harness.errors import UsageError

    try:
        choice = dict(record["spec"]["data"])
        names: tuple[str, ...] = registry.build("data", choice.pop("name"), choice).keypoint_names
    except (KeyError, TypeError, OSError, UsageError):  # data of another package, or in another place now
        return numbered(count)
    return names if len(names) == count else numbered(count)
