"""Paired differences to the baseline with their intervals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Kind
from harness.report.figures._source import Source, plain
from harness.report.figures._style import COLUMN_IN, FAINT, INK, PAGE_IN, PAPER
from harness.report.tables.cells import Difference
from harness.report.tables.columns import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREFERRED = ("pck@0.1", "nvs_loss", "entropy")  # one score per question, where they are tested
WORDS = {"nvs_loss": "denoising error"}  # where a table's head says too little without its title
PANELS, ROWS = 3, 24
LONG = 30  # characters of a label that leave too little of a column for the panel


@dataclass(frozen=True)
class Panel:
    """One score's differences, by row; None where a row shares no seed with the baseline."""

    column: Column
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True)
class Differences(Kind):
    """How far each setting lies from the baseline, seed by seed on the same scenes."""

    labels: tuple[str, ...]
    panels: tuple[Panel, ...]
    left_out: int
    title: ClassVar[str] = "Paired differences to the baseline"
    place: ClassVar[int] = 3

    @classmethod
    def of(cls, source: Source) -> "Differences | None":
        """Take the tables' own differences; nothing where no baseline is named or no two seeds are shared."""
        found: dict[str, tuple[Column, dict[int, tuple[str, Difference]]]] = {}
        for table in source.tables:
            rows = [(", ".join(row.labels), row) for row in table.settings]
            for j, column in enumerate(table.columns):
                own = {i: (label, difference) for i, (label, row) in enumerate(rows)
                       if (difference := row.cells[j].difference) is not None}
                if column.tested and any(difference.interval.count > 1 for _, difference in own.values()):
                    found.setdefault(column.score, (column, own))
        names = [name for name in PREFERRED if name in found] or list(found)
        shown = [found[name] for name in names[:PANELS]]
        labels = {i: label for _, own in shown for i, (label, _) in own.items()}
        rows_shown = sorted(labels)[:ROWS]
        panels = tuple(Panel(column, tuple(own[i][1] if i in own else None for i in rows_shown))
                       for column, own in shown)
        return cls(tuple(labels[i] for i in rows_shown), panels, len(labels) - len(rows_shown)) if panels else None

    @property
    def caption(self) -> str:
        """Return what is shown."""
        every = [found for panel in self.panels for found in panel.differences if found]
        baselines = {", ".join(found.baseline) for found in every}
        to = next(iter(baselines)) if len(baselines) == 1 else "each setting's baseline"
        seeds = sorted({found.interval.count for found in every})
        n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        marks = "filled: p \N{LESS-THAN OR EQUAL TO} 0.05 after Holm's correction over the table"
        if not any(found.reachable for found in every):
            marks = "open, because so few seeds cannot make any of them significant"
        more = f" The first {len(self.labels)} of {len(self.labels) + self.left_out} settings." if self.left_out else ""
        return (f"Differences to {to} over n = {n} shared seeds, mean and 95% t interval; marks {marks}. The side with "
                f"the arrow is the better one.{more}")

    def size_in(self) -> tuple[float, float]:
        """Return the size: taller with every row, as wide as the page where there are several scores or long labels."""
        wide = len(self.panels) > 1 or max(map(len, self.labels)) > LONG
        return (PAGE_IN if wide else COLUMN_IN), 0.75 + 0.19 * max(3, len(self.labels))

    def paint(self, figure: "Figure") -> None:
        """Draw one panel per score, rows shared."""
        axes = figure.subplots(1, len(self.panels), sharey=True, squeeze=False)[0]
        for own, panel in zip(axes, self.panels, strict=True):
            _paint(own, panel)
        axes[0].set_yticks(range(len(self.labels)), self.labels)
        axes[0].set_ylim(len(self.labels) - 0.4, -0.6)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting and score."""
        return [
            plain(label, score=panel.column.score, baseline=" ".join(found.baseline), mean=found.interval.mean,
                  half_width=found.interval.half_width, seeds=found.interval.count, p=found.p, adjusted=found.adjusted)
            for panel in self.panels
            for label, found in zip(self.labels, panel.differences, strict=True) if found
        ]


def _paint(axes: "Axes", panel: Panel) -> None:
    axes.axvline(0, color=FAINT, linewidth=0.9, zorder=1)
    for y, found in enumerate(panel.differences):
        if found:
            axes.errorbar(found.interval.mean, y, xerr=found.interval.half_width or 0.0, color=INK, marker="o",
                          markersize=4.2, markerfacecolor=INK if found.star else PAPER, markeredgewidth=0.9,
                          elinewidth=1.0, capsize=1.8, zorder=3)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.05 * high), max(high, -0.05 * low))
    arrow = {1: "better \N{RIGHTWARDS ARROW}", -1: "\N{LEFTWARDS ARROW} better"}.get(panel.column.better, "")
    axes.set_xlabel(f"\N{GREEK CAPITAL LETTER DELTA} {WORDS.get(panel.column.score, panel.column.head)}")
    axes.set_title(arrow, loc="right" if panel.column.better > 0 else "left", fontsize=6.5, color=FAINT)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(visible=False, axis="y")
