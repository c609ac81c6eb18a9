"""PCK of every keypoint, as a table of shades."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Kind
from harness.report.figures._source import DIFFERING, Columns, Source, alike, plain
from harness.report.figures._style import COLUMN_IN, PAGE_IN

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

ALPHA = 0.1
REFERENCE = "untrained tokens"
DARK, LIGHT = "#000000", "#ffffff"  # on the shades, not on the page
CELL_IN = (0.36, 0.21)


@dataclass(frozen=True)
class Keypoints(Kind):
    """PCK@0.1 by row and keypoint: the mean over seeds; None where a keypoint is never visible."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    head: str
    note: str
    title: ClassVar[str] = "PCK by keypoint"
    place: ClassVar[int] = 4

    @classmethod
    def of(cls, source: Source) -> "Keypoints | None":
        """Read the points of every trial shown; rows of other keypoints than the first row's are left out."""
        labels, cells = [], []
        before: list[tuple[int, np.ndarray]] = []
        names: tuple[str, ...] = ()
        others = 0
        for row in source.rows:
            found = source.points(row)
            if not found:
                continue
            count = 1 + max(int(columns["keypoint"].max()) for columns in found.values())
            own = source.keypoints(row.records[0], count)
            names = names or own
            if own != names:
                others += 1
                continue
            labels.append(row.label)
            cells.append(_mean([by_keypoint(columns, "error", len(names)) for columns in found.values()]))
            before += [(seed, by_keypoint(columns, "error_untrained", len(names))) for seed, columns in found.items()
                       if "error_untrained" in columns]
        if not names:
            return None
        note = source.note + (f" {others} of other keypoints left out." if others else "")
        if alike(before) is not None:
            labels, cells = [*labels, REFERENCE], [*cells, _mean(list(dict(before).values()))]
        elif before:
            note += " " + DIFFERING.format(REFERENCE.capitalize())
        return cls(names, tuple(labels), tuple(cells), source.head, note.strip())

    @property
    def caption(self) -> str:
        """Return what is shown."""
        what = f"PCK@{ALPHA:g} of every keypoint where it is visible, mean over seeds; shades from 0 to the largest."
        return f"{what} {self.note}".strip()

    def size_in(self) -> tuple[float, float]:
        """Return a size that leaves room for every cell: one column or the page, taller with every row."""
        letters = max(map(len, self.labels)) * 0.06
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
        axes.set_yticks(np.arange(len(self.labels)) + 0.5, self.labels)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting and keypoint."""
        return [
            plain(label, keypoint=name, pck=value)
            for label, own in zip(self.labels, self.cells, strict=True)
            for name, value in zip(self.names, own, strict=True)
        ]


def _readable(shade: "tuple[float, ...]") -> str:
    """Return the text colour of the higher contrast on a shade, by its relative luminance [WCAG 2]."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade[:3]]
    return DARK if sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) > 0.179 else LIGHT


def by_keypoint(points: Columns, error: str, count: int) -> "np.ndarray":
    """Return the share of visible points within ALPHA, one per keypoint; NaN where it is never visible."""
    import numpy as np

    visible = points["visible"].astype(bool)
    hits = visible & (points[error] <= ALPHA * points["normaliser"])
    shown = np.bincount(points["keypoint"], visible, count)
    with np.errstate(invalid="ignore"):
        return np.bincount(points["keypoint"], hits, count) / np.where(shown > 0, shown, np.nan)


def _mean(seeds: "list[np.ndarray]") -> tuple[float | None, ...]:
    import numpy as np

    stacked = np.stack(seeds)
    known = np.isfinite(stacked)
    totals, counts = np.where(known, stacked, 0).sum(0), known.sum(0)
    return tuple(float(total / count) if count else None for total, count in zip(totals, counts, strict=True))
