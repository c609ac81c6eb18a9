"""PCK of every keypoint, as a heat map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Kind
from harness.report.figures._source import DIFFERING, FigureSource, plain, shared_mean
from harness.report.figures._style import COLUMN_IN, PAGE_IN, shortened
from harness.report.inputs import Columns

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

ALPHA = 0.1
REFERENCE = "untrained tokens"
DARK, LIGHT = "#000000", "#ffffff"  # text on the shades
CELL_IN = (0.36, 0.21)
LABEL_IN = 2.6  # of a page of 7 inches


@dataclass(frozen=True)
class KeypointsFigure(Kind):
    """PCK@0.1 by row and keypoint, a mean over seeds; None for a keypoint that is never visible."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    head: str
    note: str
    title: ClassVar[str] = "PCK by keypoint"
    place: ClassVar[int] = 4

    @classmethod
    def of(cls, source: FigureSource) -> "KeypointsFigure | None":
        """Read the points; rows with other keypoints than the first row are left out."""
        labels, cells = [], []
        before: list[tuple[int, np.ndarray]] = []
        names: tuple[str, ...] = ()
        others = 0
        for row in source.rows:
            points = source.points(row)
            if not points:
                continue
            count = 1 + max(int(columns["keypoint"].max()) for columns in points.values())
            row_names = source.keypoints(row.records[0], count)
            names = names or row_names
            if row_names != names:
                others += 1
                continue
            labels.append(row.label)
            cells.append(_mean([by_keypoint(columns, "error", len(names)) for columns in points.values()]))
            before += [(seed, by_keypoint(columns, "error_untrained", len(names))) for seed, columns in points.items()
                       if "error_untrained" in columns]
        if not names:
            return None
        note = source.note + (f" {others} of other keypoints left out." if others else "")
        if shared_mean(before) is not None:
            labels, cells = [*labels, REFERENCE], [*cells, _mean(list(dict(before).values()))]
        elif before:
            note += " " + DIFFERING.format(REFERENCE.capitalize())
        return cls(names, tuple(labels), tuple(cells), source.head, note.strip())

    @property
    def caption(self) -> str:
        """Return the caption; it gives the threshold and the range of the shades."""
        text = f"PCK@{ALPHA:g} of every keypoint where it is visible, mean over seeds; shades from 0 to the largest."
        return f"{text} {self.note}".strip()

    @property
    def _ticks(self) -> list[str]:
        """The rows' labels, at most LABEL_IN wide: a search's rows name a dozen settings."""
        return [shortened(label, LABEL_IN) for label in self.labels]

    def size_in(self) -> tuple[float, float]:
        """Return the size: one column or the page's width, as the cells need, and a height for every row."""
        letters = max(map(len, self._ticks)) * 0.06
        width = letters + len(self.names) * CELL_IN[0] + 0.3
        names = max(map(len, self.names)) * 0.045
        return (COLUMN_IN if width <= COLUMN_IN else PAGE_IN), 0.35 + names + len(self.labels) * CELL_IN[1]

    def paint(self, figure: "Figure") -> None:
        """Draw the shades with their numbers."""
        import numpy as np
        from matplotlib import colormaps

        axes = figure.subplots()
        shades = np.array([[np.nan if value is None else value for value in row] for row in self.cells])
        colours = colormaps["cividis"].with_extremes(bad=(0, 0, 0, 0))
        largest = max(0.01, float(np.nanmax(shades)))
        axes.pcolormesh(np.ma.masked_invalid(shades), cmap=colours, vmin=0, vmax=largest, edgecolors=LIGHT,
                        linewidth=0.8)
        size = 6.5 if self.size_in()[0] >= len(self.names) * 0.3 else 5.0
        for y, row in enumerate(self.cells):
            for x, value in enumerate(row):
                if value is not None:
                    text = f"{value:.2f}".removeprefix("0")
                    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=size,
                              color=_readable(colours(value / largest)))
        axes.set_xticks(np.arange(len(self.names)) + 0.5, self.names, rotation=45, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(self.labels)) + 0.5, self._ticks)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting and keypoint."""
        return [
            plain(label, keypoint=name, pck=value)
            for label, values in zip(self.labels, self.cells, strict=True)
            for name, value in zip(self.names, values, strict=True)
        ]


def _readable(shade: "tuple[float, ...]") -> str:
    """Return the text colour of the higher contrast on a shade, by its relative luminance [WCAG 2]."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade[:3]]
    return DARK if sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) > 0.179 else LIGHT


def by_keypoint(points: Columns, error: str, count: int) -> "np.ndarray":
    """Return each keypoint's share of visible points within ALPHA; NaN if it is never visible."""
    import numpy as np

    visible = points["visible"].astype(bool)
    hits = visible & (points[error] <= ALPHA * points["normaliser"])
    counts = np.bincount(points["keypoint"], visible, count)
    with np.errstate(invalid="ignore"):
        return np.bincount(points["keypoint"], hits, count) / np.where(counts > 0, counts, np.nan)


def _mean(seeds: "list[np.ndarray]") -> tuple[float | None, ...]:
    import numpy as np

    stacked = np.stack(seeds)
    finite = np.isfinite(stacked)
    totals, counts = np.where(finite, stacked, 0).sum(0), finite.sum(0)
    return tuple(float(total / count) if count else None for total, count in zip(totals, counts, strict=True))
