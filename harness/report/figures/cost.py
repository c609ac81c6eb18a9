"""PCK against seconds per step; the area of a mark is the number of tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._bands import WIDEST
from harness.report.figures._base import Kind
from harness.report.figures._source import MAIN, FigureRow, FigureSource, plain, scope
from harness.report.figures._style import COLUMN_IN, FAINT, GRID, draw_legend, height_in
from harness.report.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AREAS = (16.0, 150.0)  # of marks, in square points
LOG_ROOM = 2.0  # factor beyond the means on a log axis


@dataclass(frozen=True)
class Spot:
    """One row: its seconds per step, its PCK, and its number of tokens."""

    row: FigureRow
    seconds: Interval
    pck: Interval
    tokens: int


@dataclass(frozen=True)
class CostFigure(Kind):
    """PCK against cost; a line joins the Pareto front."""

    spots: tuple[Spot, ...]
    head: str
    note: str
    title: ClassVar[str] = "Keypoints against cost"
    place: ClassVar[int] = 2

    @classmethod
    def of(cls, source: FigureSource) -> "CostFigure | None":
        """Read scores and costs; None for a single row."""
        spots = []
        for row in source.rows:
            seconds, pck = row.interval("seconds_per_step"), row.interval(MAIN)
            if seconds and pck:
                spots.append(Spot(row, seconds, pck, int(row.records[0]["spec"].get("tokens") or 0)))
        note = f"{scope(source.rows, 'Bars')} {source.note}".strip()
        return cls(tuple(spots), source.head, note) if len(spots) > 1 else None

    @property
    def front(self) -> tuple[Spot, ...]:
        """Return the Pareto front in cost and PCK, cheapest first."""
        front: list[Spot] = []
        for spot in sorted(self.spots, key=lambda spot: (spot.seconds.mean, -spot.pck.mean)):
            if not front or spot.pck.mean > front[-1].pck.mean:
                front.append(spot)
        return tuple(front)

    @property
    def caption(self) -> str:
        """Return the caption; it explains the marks' areas if they differ."""
        tokens = "; the area of a mark is its number of tokens" if self._varies else ""
        return ("PCK@0.1 on the test split against seconds per optimisation step on the machine of each trial"
                f"{tokens}. Dotted: rows that no other one beats in both. {self.note}"
                + " A bar without a cap goes on beyond the frame." * self.is_cut)

    def size_in(self) -> tuple[float, float]:
        """Return the size: one column."""
        return COLUMN_IN, height_in([spot.row.label for spot in self.spots], COLUMN_IN, 2.1)

    def paint(self, figure: "Figure") -> None:
        """Draw a mark with two bars per row, and the front."""
        axes = figure.subplots()
        front = self.front
        axes.plot([spot.seconds.mean for spot in front], [spot.pck.mean for spot in front], color=FAINT,
                  linestyle=(0, (1, 1.5)), linewidth=1.0, zorder=1)
        for spot in self.spots:
            look = spot.row.look
            axes.errorbar(spot.seconds.mean, spot.pck.mean, xerr=spot.seconds.half_width or 0.0,
                          yerr=spot.pck.half_width or 0.0, color=look.colour, elinewidth=0.8, alpha=0.55, capsize=1.6,
                          zorder=2)
            axes.scatter(spot.seconds.mean, spot.pck.mean, s=self._area(spot.tokens), marker=look.marker,
                         color=look.colour, edgecolors="none", zorder=3, clip_on=False)
            axes.plot([], [], color=look.colour, marker=look.marker, linestyle="none", label=spot.row.label)
        self._limit(axes)
        axes.set(xlabel="seconds per step", ylabel="PCK@0.1")
        draw_legend(figure, axes, self.head)

    def rows(self) -> list[dict[str, Any]]:
        """Return cost, PCK and tokens per row."""
        return [
            plain(spot.row.label, tokens=spot.tokens, seconds_per_step=spot.seconds.mean,
                  seconds_half_width=spot.seconds.half_width, pck=spot.pck.mean, pck_half_width=spot.pck.half_width,
                  on_front=spot in self.front)
            for spot in self.spots
        ]

    @property
    def _varies(self) -> bool:
        return len({spot.tokens for spot in self.spots}) > 1

    def _area(self, tokens: int) -> float:
        if not self._varies:
            return 26.0
        return max(AREAS[0], AREAS[1] * tokens / max(spot.tokens for spot in self.spots))

    @property
    def _is_log(self) -> bool:
        seconds = [spot.seconds.mean for spot in self.spots]
        return max(seconds) > 10 * min(seconds) > 0

    @property
    def frame(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the limits of both axes: of the means with most of their bars; those of few seeds may be cut."""
        seconds, pck = ([getattr(spot, name) for spot in self.spots] for name in ("seconds", "pck"))
        if self._is_log:
            means = [interval.mean for interval in seconds]
            x = min(means) / LOG_ROOM, max(means) * LOG_ROOM
        else:
            x = _limits(seconds)
        low, high = _limits(pck)
        return x, (low, min(high, 1.0))

    @property
    def is_cut(self) -> bool:
        """True if a bar goes on beyond the frame."""
        return any(not low <= end <= high for spot in self.spots
                   for interval, (low, high) in zip((spot.seconds, spot.pck), self.frame, strict=True)
                   if interval.half_width is not None for end in (interval.low, interval.high))

    def _limit(self, axes: "Axes") -> None:
        """Set the limits; use a log scale if costs differ tenfold."""
        from matplotlib.ticker import LogFormatter

        if self._is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(LogFormatter())  # the default ones need math text
            axes.xaxis.set_minor_formatter(LogFormatter())
        x, y = self.frame
        axes.set(xlim=x, ylim=y)
        axes.grid(visible=True, color=GRID)


def _limits(intervals: list[Interval]) -> tuple[float, float]:
    """Return limits that hold the bars, each up to WIDEST ranges of the means, and nothing below 0."""
    means = [interval.mean for interval in intervals]
    spread = (max(means) - min(means)) or abs(max(means)) or 1.0
    low, high = (end([interval.mean + sign * min(interval.half_width or 0.0, WIDEST * spread)
                      for interval in intervals]) for end, sign in ((min, -1), (max, 1)))
    return max(0.0, low - 0.12 * spread), high + 0.12 * spread
