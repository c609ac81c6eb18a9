"""PCK against the threshold alpha, recomputed from all points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._bands import DrawnLine, cut_note, draw_lines, reference_line, seed_line
from harness.report.figures._base import Kind
from harness.report.figures._source import DIFFERING, FigureSource, scope, shared_mean
from harness.report.figures._style import COLUMN_IN, SHARE, draw_legend, height_in
from harness.report.inputs import Columns

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
ALPHAS = tuple(round(step / 200, 3) for step in range(61))  # 0 to 0.3
REFERENCES = {"untrained tokens": ("error_untrained", (0, (4, 2))), "mean pose": ("error_mean_pose", (0, (1, 1.5)))}


@dataclass(frozen=True)
class PckFigure(Kind):
    """The share of visible points whose error is at most alpha times the normaliser, for every alpha."""

    lines: tuple[DrawnLine, ...]
    head: str
    note: str
    title: ClassVar[str] = "PCK against its threshold"
    place: ClassVar[int] = 1

    @classmethod
    def of(cls, source: FigureSource) -> "PckFigure | None":
        """Read the points; None if no trial has some."""
        lines: list[DrawnLine] = []
        others: dict[str, list[tuple[int, np.ndarray]]] = {name: [] for name in REFERENCES}
        for row in source.rows:
            points = source.points(row)
            if points:
                lines.append(seed_line(row, ALPHAS, [pck(columns, "error") for columns in points.values()]))
            for name, (column, _) in REFERENCES.items():
                others[name] += [(seed, pck(columns, column)) for seed, columns in points.items() if column in columns]
        means = {name: shared_mean(curves) for name, curves in others.items()}
        lines += [reference_line(name, ALPHAS, mean.tolist(), REFERENCES[name][1])
                  for name, mean in means.items() if mean is not None]
        differing = [name for name, mean in means.items() if mean is None and others[name]]
        notes = [DIFFERING.format(" and ".join(differing).capitalize())] if differing else []
        note = " ".join([*notes, scope(source.rows), source.note]).strip()
        return cls(tuple(lines), source.head, note) if lines else None

    @property
    def caption(self) -> str:
        """Return the caption; it defines PCK."""
        text = f"Share of visible points whose error is at most {ALPHA} times the data's normaliser. {self.note}"
        return " ".join(filter(None, [text, cut_note(self.lines, SHARE)]))

    def size_in(self) -> tuple[float, float]:
        """Return the size."""
        return COLUMN_IN, height_in([item.label for item in self.lines], COLUMN_IN)

    def paint(self, figure: "Figure") -> None:
        """Draw one line per row."""
        axes = figure.subplots()
        draw_lines(axes, self.lines, SHARE)
        axes.set(xlabel=f"threshold {ALPHA}", ylabel=f"PCK@{ALPHA}", xlim=(0, ALPHAS[-1]))
        axes.set_ylim(bottom=0)
        draw_legend(figure, axes, self.head)

    def rows(self) -> list[dict[str, Any]]:
        """Return mean and interval at each alpha."""
        return [row for item in self.lines for row in item.rows("alpha", "pck")]


def pck(points: Columns, error: str, alphas: Sequence[float] = ALPHAS) -> "np.ndarray":
    """Return the share of visible points with error <= alpha * normaliser, one per alpha; a missing point is a miss."""
    import numpy as np

    visible = points["visible"].astype(bool)
    relative = np.sort(points[error][visible] / points["normaliser"][visible])
    # Like the scores' `error <= alpha * normaliser`, this counts a point exactly at the threshold.
    return np.searchsorted(relative, np.asarray(alphas) * (1 + 1e-12), side="right") / max(1, len(relative))
