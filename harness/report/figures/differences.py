"""Paired differences to the baseline with their intervals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Kind
from harness.report.figures._source import FigureSource, plain
from harness.report.figures._style import COLUMN_IN, FAINT, INK, PAGE_IN, PAPER
from harness.report.tables.cells import Difference
from harness.report.tables.columns import Column
from harness.report.tables.rows import row_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREFERRED = ("pck@0.1", "nvs_loss", "entropy")  # one score per question, if they are tested
WORDS = {"nvs_loss": "denoising error"}  # instead of a column's head that needs its table's title
PANELS, ROWS = 3, 24
LONG = 30  # characters; a longer label leaves too little of a column for the panel


@dataclass(frozen=True)
class Panel:
    """One score's differences by row; None for a row that shares no seed with the baseline."""

    column: Column
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True)
class DifferencesFigure(Kind):
    """Each setting's paired difference to the baseline, seed by seed on the same scenes."""

    labels: tuple[str, ...]
    panels: tuple[Panel, ...]
    left_out: int
    heads: tuple[str, ...]
    title: ClassVar[str] = "Paired differences to the baseline"
    place: ClassVar[int] = 3

    @classmethod
    def of(cls, source: FigureSource) -> "DifferencesFigure | None":
        """Take the tables' differences; None without a baseline or without two shared seeds."""
        tested: dict[str, tuple[Column, dict[int, tuple[str, Difference]]]] = {}
        for table in source.tables:
            rows = [(table.name_of(row, ", "), row) for row in table.settings]
            for j, column in enumerate(table.columns):
                by_row = {i: (label, difference) for i, (label, row) in enumerate(rows)
                          if (difference := row.cells[j].difference) is not None}
                if column.tested and any(difference.interval.count > 1 for _, difference in by_row.values()):
                    tested.setdefault(column.score, (column, by_row))
        names = [name for name in PREFERRED if name in tested] or list(tested)
        shown = [tested[name] for name in names[:PANELS]]
        labels = {i: label for _, by_row in shown for i, (label, _) in by_row.items()}
        rows_shown = sorted(labels)[:ROWS]
        panels = tuple(Panel(column, tuple(by_row[i][1] if i in by_row else None for i in rows_shown))
                       for column, by_row in shown)
        if not panels:
            return None
        return cls(tuple(labels[i] for i in rows_shown), panels, len(labels) - len(rows_shown), source.tables[0].heads)

    @property
    def caption(self) -> str:
        """Return the caption; it names the baseline, the number of seeds and the meaning of the marks."""
        differences = [difference for panel in self.panels for difference in panel.differences if difference]
        baselines = {row_name(self.heads, difference.baseline, ", ") for difference in differences}
        to = next(iter(baselines)) if len(baselines) == 1 else "each setting's baseline"
        seeds = sorted({difference.interval.count for difference in differences})
        n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        marks = "filled: p \N{LESS-THAN OR EQUAL TO} 0.05 after Holm's correction over the table"
        if not any(difference.reachable for difference in differences):
            marks = "open, because so few seeds cannot make any of them significant"
        more = f" The first {len(self.labels)} of {len(self.labels) + self.left_out} settings." if self.left_out else ""
        return (f"Differences to {to} over n = {n} shared seeds, mean and 95% t interval; marks {marks}. The side with "
                f"the arrow is the better one.{more}")

    def size_in(self) -> tuple[float, float]:
        """Return the size: the page's width for several scores or long labels, and a height for every row."""
        wide = len(self.panels) > 1 or max(map(len, self.labels)) > LONG
        return (PAGE_IN if wide else COLUMN_IN), 0.75 + 0.19 * max(3, len(self.labels))

    def paint(self, figure: "Figure") -> None:
        """Draw one panel per score, rows shared."""
        axes = figure.subplots(1, len(self.panels), sharey=True, squeeze=False)[0]
        for panel_axes, panel in zip(axes, self.panels, strict=True):
            _paint(panel_axes, panel)
        axes[0].set_yticks(range(len(self.labels)), self.labels)
        axes[0].set_ylim(len(self.labels) - 0.4, -0.6)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting and score."""
        return [
            plain(label, score=panel.column.score, baseline=row_name(self.heads, difference.baseline),
                  mean=difference.interval.mean, half_width=difference.interval.half_width,
                  seeds=difference.interval.count, p=difference.p, adjusted=difference.adjusted)
            for panel in self.panels
            for label, difference in zip(self.labels, panel.differences, strict=True) if difference
        ]


def _paint(axes: "Axes", panel: Panel) -> None:
    axes.axvline(0, color=FAINT, linewidth=0.9, zorder=1)
    for y, difference in enumerate(panel.differences):
        if difference:
            mean, half_width = difference.interval.mean, difference.interval.half_width or 0.0
            axes.errorbar(mean, y, xerr=half_width, color=INK, marker="o", markersize=4.2,
                          markerfacecolor=INK if difference.star else PAPER, markeredgewidth=0.9,
                          elinewidth=1.0, capsize=1.8, zorder=3)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.05 * high), max(high, -0.05 * low))
    arrow = {1: "better \N{RIGHTWARDS ARROW}", -1: "\N{LEFTWARDS ARROW} better"}.get(panel.column.better, "")
    axes.set_xlabel(f"\N{GREEK CAPITAL LETTER DELTA} {WORDS.get(panel.column.score, panel.column.head)}")
    axes.set_title(arrow, loc="right" if panel.column.better > 0 else "left", fontsize=6.5, color=FAINT)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(visible=False, axis="y")
