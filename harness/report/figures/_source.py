"""What figures are drawn from: the rows of the tables, and their trials' files."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.report.figures._style import Look, looks
from harness.report.statistics import Interval, mean_interval
from harness.report.tables.cells import Table
from harness.report.tables.rows import Record
from harness.report.tables.values import AGREE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

LINES = 8  # rows that a figure of lines can tell apart
MAIN = "pck@0.1"
DIFFERING = "{} differ between rows and are in the tables alone."

Columns = Mapping[str, "np.ndarray"]
Read = Callable[[Record, str], Columns]


@dataclass(frozen=True)
class Row:
    """One setting: its words, its look, and its finished trials, one per seed."""

    label: str
    look: Look
    records: tuple[Record, ...]
    test_data: str = ""
    is_baseline: bool = False

    def scores(self, name: str) -> list[float]:
        """Return a score or cost of every seed that has it."""
        return [value for record in self.records if (value := score(record, name)) is not None]

    def interval(self, name: str) -> Interval | None:
        """Return a score's mean and interval over seeds; None where no seed has it."""
        values = self.scores(name)
        return mean_interval(values) if values else None


@dataclass(frozen=True)
class Source:
    """The tables, the records that filled them, and how to read a file of theirs."""

    tables: tuple[Table, ...]
    records: Mapping[str, Record] = field(repr=False)
    read: Read = field(repr=False)
    keypoints: Callable[[Record, int], tuple[str, ...]] = field(repr=False, default=lambda _, count: numbered(count))

    @cached_property
    def every(self) -> tuple[Row, ...]:
        """Return the settings that have a row, with all their trials that have a cell in any table."""
        labels: dict[int, tuple[str, str, bool]] = {}
        trials: dict[int, dict[str, None]] = {}
        for table in self.tables:
            for i, row in enumerate(table.settings):
                labels[i] = (", ".join(row.labels), row.test_data, row.is_baseline)
                trials.setdefault(i, {}).update({trial: None for cell in row.cells for trial in cell.trials})
        plain = looks(1)[0]
        return tuple(Row(label, plain, tuple(self.records[trial] for trial in trials[i]), data, base)
                     for i, (label, data, base) in labels.items())

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows that lines are drawn for: all, or the baseline and the best by PCK where there are many."""
        shown = self._shown(LINES)
        baseline = next((i for i, row in enumerate(shown) if row.is_baseline), None)
        return tuple(replace(row, look=look) for row, look in zip(shown, looks(len(shown), baseline), strict=True))

    def columns(self, row: Row, name: str) -> list[Columns]:
        """Return the columns of a file of every seed of a row that left one."""
        return [self.read(record, name) for record in row.records if f"{name}.parquet" in record.get("files", {})]

    def points(self, row: Row) -> dict[int, Columns]:
        """Return the points of every seed of a row that left any."""
        needed = {"error", "normaliser", "visible", "keypoint"}
        found = {record["spec"]["seed"]: self.read(record, "points") for record in row.records
                 if "points.parquet" in record.get("files", {})}
        return {seed: columns for seed, columns in found.items()
                if needed <= columns.keys() and len(columns["keypoint"])}

    @property
    def head(self) -> str:
        """Return what the rows' words say, for the legend's title."""
        return ", ".join(self.tables[0].heads) if self.tables else ""

    @property
    def note(self) -> str:
        """Return what a caption must say of the rows; empty where all are shown and may be compared."""
        notes = []
        if len(self.rows) < len(self.every):
            notes.append(f"Of {len(self.every)} settings, the baseline and the best by {MAIN}.")
        if len({row.test_data for row in self.rows}) > 1:
            notes.append("Rows differ in their test data: compare only rows of the same data.")
        return " ".join(notes)

    def _shown(self, most: int) -> tuple[Row, ...]:
        if len(self.every) <= most:
            return self.every
        means = [_mean(row, MAIN) for row in self.every]
        order = sorted(range(len(means)), key=lambda i: (not self.every[i].is_baseline, -means[i]))
        return tuple(self.every[i] for i in sorted(order[:most]))


def score(record: Record, name: str) -> float | None:
    """Return one of a record's scores or costs, None where it has no finite one."""
    value = {**(record.get("cost") or {}), **(record.get("scores") or {})}.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def over_seeds(
    curves: Sequence["np.ndarray"],
) -> tuple[tuple[float, ...], tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return the mean curve and the ends of its t interval, place by place; None ends where there is one seed."""
    spots = [mean_interval([float(value) for value in column]) for column in zip(*curves, strict=True)]
    mean = tuple(spot.mean for spot in spots)
    if len(curves) < 2:
        return mean, None, None
    return mean, tuple(spot.low for spot in spots), tuple(spot.high for spot in spots)


def alike(readings: Iterable[tuple[int, "ArrayLike"]]) -> "np.ndarray | None":
    """Return the mean over seeds of what every row gives alike, seed by seed; None where rows differ, or give nothing.

    What no training produced, such as untrained tokens, is the same for rows that differ in training alone.
    """
    import numpy as np

    by_seed: dict[int, np.ndarray] = {}
    for seed, reading in readings:
        own = np.asarray(reading, dtype=float)
        known = by_seed.setdefault(seed, own)
        if known.shape != own.shape or not np.allclose(known, own, rtol=AGREE, atol=0, equal_nan=True):
            return None
    return np.mean(list(by_seed.values()), axis=0) if by_seed else None


def scope(rows: Iterable[Row], what: str = "Bands") -> str:
    """Return what the bands mean and over how many seeds."""
    counts = sorted({len(row.records) for row in rows})
    if not counts or counts == [1]:
        return "One seed per row, so no interval."
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{what}: 95% t interval over n = {seeds} seeds."


def _mean(row: Row, name: str) -> float:
    values = row.scores(name)
    return math.fsum(values) / len(values) if values else -math.inf


def numbered(count: int) -> tuple[str, ...]:
    """Return names for keypoints that have none."""
    return tuple(f"keypoint {k}" for k in range(count))


def plain(label: str, **numbers: Any) -> dict[str, Any]:
    """Return one flat row of numbers."""
    return {"row": label, **numbers}
