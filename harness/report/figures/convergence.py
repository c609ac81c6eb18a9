"""Loss and PCK against optimisation steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.setting_texts import canonical
from harness.report.figures._bands import DrawnLine, cut_note, draw_lines, seed_line
from harness.report.figures._base import Kind
from harness.report.figures._source import FigureRow, FigureSource, scope
from harness.report.figures._style import COLUMN_IN, PAGE_IN, SHARE, draw_legend, height_in
from harness.report.inputs import Columns
from harness.report.verify.from_files import SPAN, loss_at_last_weights, moving_average

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

PROBE = "pck_fit@0.1"
SHORTEST = 2 * SPAN  # steps of a run that is smoothed
WHOLE = 40  # steps below which ticks could fall between two


@dataclass(frozen=True)
class ConvergenceFigure(Kind):
    """The loss curve that the convergence scores use, and PCK on the fit split at the steps that were probed.

    The curves of short runs are not smoothed: a mean over most of a run hides its course.
    """

    loss: tuple[DrawnLine, ...]
    pck: tuple[DrawnLine, ...]
    is_relative: bool
    is_smooth: bool
    head: str
    note: str
    title: ClassVar[str] = "Convergence"
    place: ClassVar[int] = 5

    @classmethod
    def of(cls, source: FigureSource) -> "ConvergenceFigure | None":
        """Read the curves; rows with different losses are drawn relative to their first values."""
        settings = {canonical(record["spec"].get("losses")) for row in source.rows for record in row.records}
        is_relative = len(settings) > 1
        curves = [(row, [curve for columns in source.columns(row, "curve") if len(curve := total_loss(columns))])
                  for row in source.rows]
        is_smooth = min((len(curve) for _, losses in curves for curve in losses), default=0) >= SHORTEST
        if is_smooth:
            curves = [(row, [moving_average(curve) for curve in losses]) for row, losses in curves]
        flat = [row.label for row, losses in curves if is_relative and any(curve[0] == 0 for curve in losses)]
        loss = [_loss(row, losses, relative=is_relative) for row, losses in curves if losses and row.label not in flat]
        probes = [_probes(row, source.columns(row, "probes")) for row in source.rows]
        if not loss:
            return None
        left_out = [f"Left out, as its loss begins at 0: {'; '.join(flat)}."] if flat else []
        note = " ".join([scope(source.rows), *left_out, source.note]).strip()
        return cls(tuple(loss), tuple(item for item in probes if item), is_relative, is_smooth, source.head, note)

    @property
    def caption(self) -> str:
        """Return the caption; it names the loss's scale and the rows left out."""
        text = "Total loss, every term at its last weight"
        text += f", moving average over {SPAN} steps" if self.is_smooth else ", not smoothed in runs as short as these"
        text += ", divided by its first value because the losses differ." if self.is_relative else "."
        probed = " Right: PCK@0.1 on the fit split, ties cross-fitted, as read on the way." if self.pck else ""
        cut = cut_note(self.loss) or (cut_note(self.pck, SHARE) if self.pck else "")
        return " ".join(filter(None, [f"{text}{probed} {self.note}", cut]))

    def size_in(self) -> tuple[float, float]:
        """Return the size: one column, or the page's width for two panels."""
        width = PAGE_IN if self.pck else COLUMN_IN
        return width, height_in([item.label for item in self.loss], width)

    def paint(self, figure: "Figure") -> None:
        """Draw the loss and, to its right, PCK."""
        from matplotlib.ticker import MaxNLocator

        panels = figure.subplots(1, 2 if self.pck else 1, squeeze=False)[0]
        draw_lines(panels[0], self.loss)
        last = max(line.x[-1] for line in self.loss)
        if last == 1:
            panels[0].set_xlim(0.5, 1.5)
        panels[0].set(xlabel="step", ylabel="loss / first value" if self.is_relative else "loss")
        if self.pck:
            draw_lines(panels[1], self.pck, SHARE)
            panels[1].set(xlabel="step", ylabel="PCK@0.1 (fit split)", xlim=panels[0].get_xlim())
        for axes in panels if last < WHOLE else ():
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        draw_legend(figure, panels[0], self.head)

    def rows(self) -> list[dict[str, Any]]:
        """Return mean and interval at each step."""
        name = "loss_relative" if self.is_relative else "loss"
        parts = [row for item in self.loss for row in item.rows("step", name)]
        return parts + [row for item in self.pck for row in item.rows("step", PROBE)]


def _loss(row: FigureRow, curves: "list[np.ndarray]", *, relative: bool) -> DrawnLine:
    if relative:
        curves = [curve / curve[0] for curve in curves]
    return seed_line(row, [float(step) for step in range(1, 1 + max(map(len, curves)))], curves)


def total_loss(columns: Columns) -> "np.ndarray":
    """Return a trial's loss curve as `harness.method.metrics.convergence` smooths and scores it; empty without one."""
    import numpy as np

    if "loss" not in columns or not len(columns["loss"]):
        return np.empty(0)
    return loss_at_last_weights(columns)


def _probes(row: FigureRow, files: list[Columns]) -> DrawnLine | None:
    """Return PCK at the steps that were probed with every seed; None without any."""
    import numpy as np

    seeds = [dict(zip(columns["step"].tolist(), columns[PROBE].tolist(), strict=True))
             for columns in files if PROBE in columns]
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    return seed_line(row, steps, [np.array([seed[step] for step in steps]) for seed in seeds]) if steps else None
