"""Attention entropy against the resolution of the layer."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Kind
from harness.report.figures._source import DIFFERING, FigureRow, FigureSource, plain, scope, score, shared_mean
from harness.report.figures._style import COLUMN_IN, FAINT, draw_legend, height_in
from harness.report.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCE = "untrained tokens"
SPREAD = 0.62  # share of the distance between two resolutions that many rows side by side take
VIEW_PASS = {"entropy_view_pass": "view\npass", "entropy_view_pass_apart": "view pass,\napart"}


@dataclass(frozen=True)
class EntropyFigure(Kind):
    """Normalised spatial entropy by layer resolution, of the upsampled maps (maps as used) and of the view pass."""

    places: tuple[str, ...]
    cells: tuple[tuple[FigureRow, tuple[Interval | None, ...]], ...]
    untrained: tuple[float | None, ...]
    head: str
    note: str
    title: ClassVar[str] = "Attention entropy by layer"
    place: ClassVar[int] = 6

    @classmethod
    def of(cls, source: FigureSource) -> "EntropyFigure | None":
        """Read the scores; None if no trial has one."""
        names = {name for row in source.rows for record in row.records for name in record.get("scores") or {}}
        layers = sorted((name for name in names if re.fullmatch(r"entropy_\d+x\d+", name)), key=_pixels)
        scores = [*layers, *(name for name in ("entropy", *VIEW_PASS) if name in names)]
        cells = tuple((row, tuple(row.interval(name) for name in scores)) for row in source.rows)
        if not any(interval for _, intervals in cells for interval in intervals):
            return None
        read = [[(record["spec"]["seed"], value) for row in source.rows for record in row.records
                 if (value := score(record, f"{name}_untrained")) is not None] for name in scores]
        before = [None if (mean := shared_mean(values)) is None else float(mean) for values in read]
        words = {"entropy": "maps as\nused", **VIEW_PASS}
        places = tuple(words.get(name, name.removeprefix("entropy_").replace("x", "\N{MULTIPLICATION SIGN}"))
                       for name in scores)
        differ = any(values and mean is None for values, mean in zip(read, before, strict=True))
        notes = [DIFFERING.format(REFERENCE.capitalize())] if differ else []
        note = " ".join([*notes, scope(source.rows, "Bars"), source.note]).strip()
        return cls(places, cells, tuple(before), source.head, note)

    @property
    def caption(self) -> str:
        """Return the caption; it defines the entropy and names its maps."""
        return ("Normalised spatial entropy of the chosen tokens' maps: 1 for a uniform map, 0 for one pixel; by the "
                "layers' own resolution, of the maps as used, and of the view pass, there over text and "
                f"tokens, or (apart) over the tokens alone, which compares with no other. {self.note}")

    def size_in(self) -> tuple[float, float]:
        """Return the size: one column."""
        return COLUMN_IN, height_in([row.label for row, _ in self.cells] + [REFERENCE], COLUMN_IN)

    def paint(self, figure: "Figure") -> None:
        """Draw a mark with a bar per row and place, rows side by side."""
        axes = figure.subplots()
        step = min(0.12, SPREAD / max(1, len(self.cells) - 1))
        for place, value in enumerate(self.untrained):
            if value is not None:
                axes.plot([place - 0.42, place + 0.42], [value, value], color=FAINT, linestyle=(0, (4, 2)),
                          linewidth=1.0, label=None if axes.get_legend_handles_labels()[1] else REFERENCE)
        for i, (row, intervals) in enumerate(self.cells):
            shift = (i - (len(self.cells) - 1) / 2) * step
            points = [(place + shift, interval) for place, interval in enumerate(intervals) if interval]
            axes.errorbar([x for x, _ in points], [interval.mean for _, interval in points],
                          yerr=[interval.half_width or 0.0 for _, interval in points], label=row.label,
                          linestyle="none", marker=row.look.marker, color=row.look.colour, elinewidth=1.0, capsize=1.6)
        axes.set_xticks(range(len(self.places)), self.places)
        axes.set(xlim=(-0.5, len(self.places) - 0.5), ylabel="normalised entropy")
        axes.grid(visible=False, axis="x")
        draw_legend(figure, axes, self.head, references=int(any(value is not None for value in self.untrained)))

    def rows(self) -> list[dict[str, Any]]:
        """Return mean and interval per row and place."""
        places = [place.replace("\n", " ") for place in self.places]
        parts = [plain(row.label, place=place, mean=cell.mean, half_width=cell.half_width, seeds=cell.count)
                 for row, intervals in self.cells for place, cell in zip(places, intervals, strict=True) if cell]
        return parts + [plain(REFERENCE, place=place, mean=value)
                        for place, value in zip(places, self.untrained, strict=True) if value is not None]


def _pixels(name: str) -> int:
    rows, columns = re.findall(r"\d+", name)
    return int(rows) * int(columns)
