"""What figures are drawn from: the rows of the tables, and their trials' files."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.report.figures._style import Look, looks
from harness.report.rows import Group, Record
from harness.statistics import Interval, mean_interval

if TYPE_CHECKING:
    import numpy as np

LINES = 8  # rows that a figure of lines can tell apart
MAIN = "pck@0.1"

Columns = Mapping[str, "np.ndarray"]
Read = Callable[[Record, str], Columns]


@dataclass(frozen=True)
class Row:
    """One setting: its words, its look, and its finished trials, one per seed."""

    label: str
    look: Look
    records: tuple[Record, ...]
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
    """The rows of a report; ``read(record, "points")`` gives the columns of one of a trial's files."""

    heads: tuple[str, ...]
    groups: tuple[Group, ...]
    read: Read = field(repr=False)
    keypoints: Callable[[Record, int], tuple[str, ...]] = field(repr=False, default=lambda _, count: numbered(count))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows that lines are drawn for: all, or the baseline and the best by PCK where there are many."""
        shown = self._shown(LINES)
        baseline = next((i for i, group in enumerate(shown) if group.is_baseline), None)
        return tuple(
            Row(", ".join(group.labels), look, group.records, group.is_baseline)
            for group, look in zip(shown, looks(len(shown), baseline), strict=True)
        )

    def points(self, row: Row) -> list[Columns]:
        """Return the points of every seed of a row that left any."""
        found = [self.read(record, "points") for record in row.records]
        return [columns for columns in found if {"error", "normaliser", "visible", "keypoint"} <= columns.keys()]

    @property
    def head(self) -> str:
        """Return what the rows' words say, for the legend's title."""
        return ", ".join(self.heads)

    @property
    def note(self) -> str:
        """Return what a caption must say of the rows; empty where all are shown and may be compared."""
        notes = []
        if len(self.rows) < len(self.groups):
            notes.append(f"Of {len(self.groups)} settings, the baseline and the best by {MAIN}.")
        if len({group.test_data for group in self.groups}) > 1:
            notes.append("Rows differ in their test data: compare only rows of the same data.")
        return " ".join(notes)

    def _shown(self, most: int) -> tuple[Group, ...]:
        if len(self.groups) <= most:
            return self.groups
        means = [_mean(group, MAIN) for group in self.groups]
        order = sorted(range(len(means)), key=lambda i: (not self.groups[i].is_baseline, -means[i]))
        return tuple(self.groups[i] for i in sorted(order[:most]))


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


def scope(rows: Iterable[Row], what: str = "Bands") -> str:
    """Return what the bands mean and over how many seeds."""
    counts = sorted({len(row.records) for row in rows})
    if not counts or counts == [1]:
        return "One seed per row, so no interval."
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{what}: 95% t interval over n = {seeds} seeds."


def _mean(group: Group, name: str) -> float:
    values = [value for record in group.records if (value := score(record, name)) is not None]
    return math.fsum(values) / len(values) if values else -math.inf


def numbered(count: int) -> tuple[str, ...]:
    """Return names for keypoints that have none."""
    return tuple(f"keypoint {k}" for k in range(count))


def plain(label: str, **numbers: Any) -> dict[str, Any]:
    """Return one flat row of numbers."""
    return {"row": label, **numbers}
