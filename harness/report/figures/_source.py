"""The data of figures: the rows of the tables and the files of their trials."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.report.figures._style import Look, looks
from harness.report.inputs import Columns, ReadFile
from harness.report.statistics import Interval, mean_interval
from harness.report.tables.cells import Table
from harness.report.tables.rows import Record
from harness.report.tables.values import AGREE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

LINES = 8  # most rows of a figure; Look has as many different ones
MAIN = "pck@0.1"
DIFFERING = "{} differ between rows and are in the tables alone."


@dataclass(frozen=True)
class FigureRow:
    """One setting in a figure: its label, look and finished trials, one per seed."""

    label: str
    look: Look
    records: tuple[Record, ...]
    test_data: str = ""
    is_baseline: bool = False

    def scores(self, name: str) -> list[float]:
        """Return a score or cost, for the seeds that have it."""
        return [value for record in self.records if (value := score(record, name)) is not None]

    def interval(self, name: str) -> Interval | None:
        """Return a score's mean and interval over seeds; None if no seed has it."""
        values = self.scores(name)
        return mean_interval(values) if values else None


@dataclass(frozen=True)
class FigureSource:
    """The tables, their records by id, and functions that read a trial's file and name its keypoints."""

    tables: tuple[Table, ...]
    records: Mapping[str, Record] = field(repr=False)
    read: ReadFile = field(repr=False)
    keypoints: Callable[[Record, int], tuple[str, ...]] = field(repr=False, default=lambda _, count: numbered(count))

    @cached_property
    def all_rows(self) -> tuple[FigureRow, ...]:
        """Return all settings of the tables, each with its trials in any table."""
        labels: dict[int, tuple[str, str, bool]] = {}
        trials: dict[int, dict[str, None]] = {}
        for table in self.tables:
            for i, row in enumerate(table.settings):
                labels[i] = (table.name_of(row, ", "), row.test_data, row.is_baseline)
                trials.setdefault(i, {}).update({trial: None for cell in row.cells for trial in cell.trials})
        look = looks(1)[0]
        return tuple(FigureRow(label, look, tuple(self.records[trial] for trial in trials[i]), data, is_baseline)
                     for i, (label, data, is_baseline) in labels.items())

    @cached_property
    def rows(self) -> tuple[FigureRow, ...]:
        """Return the rows to draw, each with its look: all, or above LINES the baseline and the best by PCK."""
        rows = self.all_rows
        if len(rows) > LINES:
            order = sorted(range(len(rows)), key=lambda i: (not rows[i].is_baseline, -_mean(rows[i], MAIN)))
            rows = tuple(rows[i] for i in sorted(order[:LINES]))
        baseline = next((i for i, row in enumerate(rows) if row.is_baseline), None)
        return tuple(replace(row, look=look) for row, look in zip(rows, looks(len(rows), baseline), strict=True))

    def columns(self, row: FigureRow, name: str) -> list[Columns]:
        """Return the columns of a file, for each trial of a row that has it."""
        return [self.read(record, name) for record in row.records if f"{name}.parquet" in record.get("files", {})]

    def points(self, row: FigureRow) -> dict[int, Columns]:
        """Return the points by seed, for each trial of a row that has some."""
        needed = {"error", "normaliser", "visible", "keypoint"}
        points = {record["spec"]["seed"]: self.read(record, "points") for record in row.records
                  if "points.parquet" in record.get("files", {})}
        return {seed: columns for seed, columns in points.items()
                if needed <= columns.keys() and len(columns["keypoint"])}

    @property
    def head(self) -> str:
        """Return the legend's title: the setting in the rows' labels, "" where the labels name several."""
        heads = self.tables[0].heads if self.tables else ()
        return heads[0] if len(heads) == 1 else ""

    @property
    def note(self) -> str:
        """Return a caption's remarks on the rows; "" if all are drawn and comparable."""
        notes = []
        if len(self.rows) < len(self.all_rows):
            notes.append(f"Of {len(self.all_rows)} settings, the baseline and the best by {MAIN}.")
        if len({row.test_data for row in self.rows}) > 1:
            notes.append("Rows differ in their test data: compare only rows of the same data.")
        return " ".join(notes)


def score(record: Record, name: str) -> float | None:
    """Return one of a record's scores or costs, None if it is missing or not finite."""
    value = {**(record.get("cost") or {}), **(record.get("scores") or {})}.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def interval_curves(
    curves: Sequence["np.ndarray"],
) -> tuple[tuple[float, ...], tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return the mean of one curve per seed and both ends of its t interval, point by point; None ends for one seed."""
    points = [mean_interval([float(value) for value in values]) for values in zip(*curves, strict=True)]
    mean = tuple(point.mean for point in points)
    if len(curves) < 2:
        return mean, None, None
    return mean, tuple(point.low for point in points), tuple(point.high for point in points)


def shared_mean(readings: Iterable[tuple[int, "ArrayLike"]]) -> "np.ndarray | None":
    """Return the mean over seeds of a reference that is equal in all rows; None if rows differ or none has it.

    ``readings`` are seed and value of each row. Untrained references are equal in rows that differ in training alone.
    """
    import numpy as np

    by_seed: dict[int, np.ndarray] = {}
    for seed, reading in readings:
        value = np.asarray(reading, dtype=float)
        first = by_seed.setdefault(seed, value)
        if first.shape != value.shape or not np.allclose(first, value, rtol=AGREE, atol=0, equal_nan=True):
            return None
    return np.mean(list(by_seed.values()), axis=0) if by_seed else None


def scope(rows: Iterable[FigureRow], what: str = "Bands") -> str:
    """Return the meaning of the bands and their number of seeds."""
    counts = sorted({len(row.records) for row in rows})
    if not counts or counts == [1]:
        return "One seed per row, so no interval."
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{what}: 95% t interval over n = {seeds} seeds."


def _mean(row: FigureRow, name: str) -> float:
    values = row.scores(name)
    return math.fsum(values) / len(values) if values else -math.inf


def numbered(count: int) -> tuple[str, ...]:
    """Return numbers as the names of keypoints."""
    return tuple(f"keypoint {k}" for k in range(count))


def plain(label: str, **numbers: Any) -> dict[str, Any]:
    """Return one flat row of numbers."""
    return {"row": label, **numbers}
