"""Tables, their rows and cells, and the text of a number with its interval."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import floor, log10

from harness.report.statistics import Interval
from harness.report.statistics.paired import ALPHA
from harness.report.tables.columns import Column
from harness.report.tables.rows import row_name

EFFECTS = "effects"  # the table whose rows are changes of settings
MOST_DIGITS = 7  # decimals; a number with more is written with a power of ten


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell's difference to its baseline over their common seeds; ``interval`` is of the paired differences.

    ``p`` is of the paired sign-flip test; ``adjusted`` is Holm's over the table, None for a column that is not tested.
    ``reachable``: with this number of seeds p can be small enough for significance. ``effect`` is Hedges' g of the
    paired differences, ``improvement`` the probability that a run beats a run of the baseline, None for a column in
    which neither more nor less is better, and from a single run of either.
    """

    baseline: tuple[str, ...]
    interval: Interval
    p: float
    effect: float | None
    improvement: float | None
    adjusted: float | None = None
    reachable: bool = False

    @property
    def star(self) -> bool:
        """True if the difference is significant after correction."""
        return self.adjusted is not None and self.adjusted <= ALPHA


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table and its origin; ``interval`` is None if no seed has it.

    ``trials`` are the ids of the trials that have it, ``values`` their values. ``best`` marks the best mean of the
    column among rows of the same test data, ``tied`` one whose paired difference to it may be 0. In a table of effects
    ``pairs`` are the trials before and after the change, and ``interval`` is of the effect. ``source`` is the
    publication of a number without trials.
    """

    interval: Interval | None
    text: str
    best: bool = False
    tied: bool = False
    star: bool = False
    difference: Difference | None = None
    trials: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a setting or an untrained reference; only rows of the same ``test_data`` are compared."""

    labels: tuple[str, ...]
    seeds: int
    cells: tuple[Cell, ...]
    test_data: str
    is_baseline: bool = False
    is_reference: bool = False

    @property
    def count(self) -> str:
        """Return the number of seeds as text, a dash for none."""
        return str(self.seeds) if self.seeds else "\N{EM DASH}"


@dataclass(frozen=True)
class Table:
    """One table with the notes below it."""

    name: str
    title: str
    heads: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    keys: tuple[str, ...] = ()  # the full settings behind the heads; empty if these are full

    def name_of(self, row: Row, joint: str = " ") -> str:
        """Return a row's name in a text."""
        if self.name == EFFECTS:
            return joint.join(row.labels)
        return row_name(self.heads, row.labels, joint, is_reference=row.is_reference)

    @property
    def settings(self) -> tuple[Row, ...]:
        """Return the rows that are settings: neither references nor effects."""
        return () if self.name == EFFECTS else tuple(row for row in self.rows if not row.is_reference)

    def part(self, first: int, last: int) -> "Table":
        """Return the table with its columns first to last (exclusive)."""
        rows = tuple(replace(row, cells=row.cells[first:last]) for row in self.rows)
        return replace(self, columns=self.columns[first:last], rows=rows)

    def parts(self, fits: Callable[[int, int], bool]) -> "Iterator[Table]":
        """Yield the table in parts that fit a page: ``fits(first, last)`` for columns first to last (exclusive).

        Columns of a group stay together if possible.
        """
        first, count = 0, len(self.columns)
        while first < count:
            ends = [last for last in range(count, first, -1) if last == first + 1 or fits(first, last)]
            whole = (last for last in ends if last == count or self.columns[last].group != self.columns[last - 1].group)
            last = next(whole, ends[0])
            yield self.part(first, last)
            first = last

    def differences(self) -> "Table | None":
        """Return the tested columns as differences to the baseline; None without any."""
        tested = [i for i, column in enumerate(self.columns)
                  if column.tested and any(row.cells[i].difference for row in self.rows)]
        rows = [row for row in self.rows if any(row.cells[i].difference for i in tested)]
        if not rows:
            return None
        seeds = [max(gap.interval.count for i in tested if (gap := row.cells[i].difference)) for row in rows]
        cells = [tuple(_difference(row.cells[i], self.columns[i], count) for i in tested)
                 for row, count in zip(rows, seeds, strict=True)]
        names = {gap.baseline for row in rows for i in tested if (gap := row.cells[i].difference)}
        baseline = row_name(self.heads, next(iter(names))) if len(names) == 1 else "each row's baseline"
        return Table(
            f"{self.name}-differences", f"Difference to {baseline}", self.heads, tuple(self.columns[i] for i in tested),
            tuple(replace(row, cells=new, seeds=count) for row, new, count in zip(rows, cells, seeds, strict=True)), (),
        )


def format_interval(interval: Interval, column: Column, *, signed: bool = False, like: float | None = None) -> str:
    """Return mean and half width with the column's decimals; by default with four significant digits of the largest.

    ``like`` is the mean of a difference's cell; it counts for the digits too.
    """
    largest = max(abs(interval.mean), interval.half_width or 0.0, abs(like or 0.0))
    digits = digits_of(largest) if column.digits is None else column.digits
    form = f".{digits}f" if digits <= MOST_DIGITS else ".3e"
    text = f"{interval.mean:{'+' if signed else ''}z{form}}"
    if interval.half_width is not None:
        half = f"{interval.half_width:{form}}"
        text += "\N{PLUS-MINUS SIGN}" + half.removeprefix("0" if "." in half and form[-1] == "f" else "")
    return text


def digits_of(value: float) -> int:
    """Return the number of decimals that show four significant digits."""
    return 0 if value == 0 else max(0, 3 - floor(log10(abs(value))))


def _difference(cell: Cell, column: Column, seeds: int) -> Cell:
    gap = cell.difference
    if gap is None:
        return Cell(None, "\N{EM DASH}")
    text = format_interval(gap.interval, column, signed=True, like=cell.interval.mean if cell.interval else None)
    brackets = f" ({gap.interval.count})" if gap.interval.count < seeds else ""
    return Cell(gap.interval, text + brackets, star=gap.star, trials=cell.trials)
