"""Loss and PCK against optimisation steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._bands import Line, draw, line
from harness.report.figures._base import Kind
from harness.report.figures._source import Columns, Row, Source, scope
from harness.report.figures._style import COLUMN_IN, PAGE_IN, height_in, legend
from harness.report.tables.rows import canonical
from harness.report.verify.from_files import SPAN, at_last_weights, moving

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

PROBE = "pck_fit@0.1"


@dataclass(frozen=True)
class Convergence(Kind):
    """The loss as its scores read it, and PCK on the fit split wherever a trial was probed."""

    loss: tuple[Line, ...]
    pck: tuple[Line, ...]
    is_relative: bool
    head: str
    note: str
    title: ClassVar[str] = "Convergence"
    place: ClassVar[int] = 5

    @classmethod
    def of(cls, source: Source) -> "Convergence | None":
        """Read the curves of every trial shown; rows that differ in their losses are drawn relative to their start."""
        losses = {canonical(record["spec"].get("losses")) for row in source.rows for record in row.records}
        is_relative = len(losses) > 1
        curves = [(row, [curve for columns in source.columns(row, "curve") if len(curve := falling(columns))])
                  for row in source.rows]
        flat = [row.label for row, own in curves if is_relative and any(curve[0] == 0 for curve in own)]
        loss = [_loss(row, own, relative=is_relative) for row, own in curves if own and row.label not in flat]
        probes = [_probes(row, source.columns(row, "probes")) for row in source.rows]
        if not loss:
            return None
        left_out = [f"Left out, as its loss begins at 0: {'; '.join(flat)}."] if flat else []
        note = " ".join([scope(source.rows), *left_out, source.note]).strip()
        return cls(tuple(loss), tuple(item for item in probes if item), is_relative, source.head, note)

    @property
    def caption(self) -> str:
        """Return what is shown."""
        what = f"Total loss, every term at its last weight, moving average over {SPAN} steps"
        what += ", divided by its first value because the losses differ." if self.is_relative else "."
        probed = " Right: PCK@0.1 on the fit split, ties cross-fitted, as read on the way." if self.pck else ""
        return f"{what}{probed} {self.note}"

    def size_in(self) -> tuple[float, float]:
        """Return the size: one column, or the page where there are two panels."""
        width = PAGE_IN if self.pck else COLUMN_IN
        return width, height_in([item.label for item in self.loss], width)

    def paint(self, figure: "Figure") -> None:
        """Draw the loss and, beside it, PCK."""
        panels = figure.subplots(1, 2 if self.pck else 1, squeeze=False)[0]
        draw(panels[0], self.loss)
        panels[0].set(xlabel="step", ylabel="loss / first value" if self.is_relative else "loss")
        if self.pck:
            draw(panels[1], self.pck)
            panels[1].set(xlabel="step", ylabel="PCK@0.1 (fit split)", xlim=panels[0].get_xlim())
        legend(figure, panels[0], self.head)

    def rows(self) -> list[dict[str, Any]]:
        """Return mean and interval at each step."""
        name = "loss_relative" if self.is_relative else "loss"
        parts = [row for item in self.loss for row in item.rows("step", name)]
        return parts + [row for item in self.pck for row in item.rows("step", PROBE)]


def _loss(row: Row, curves: "list[np.ndarray]", *, relative: bool) -> Line:
    if relative:
        curves = [curve / curve[0] for curve in curves]
    return line(row, [float(step) for step in range(1, 1 + max(map(len, curves)))], curves)


def falling(columns: Columns) -> "np.ndarray":
    """Return a trial's loss curve as `harness.method.metrics.convergence` scores it; empty where none was recorded."""
    import numpy as np

    if "loss" not in columns or not len(columns["loss"]):
        return np.empty(0)
    return moving(at_last_weights(columns))


def _probes(row: Row, found: list[Columns]) -> Line | None:
    """Return the readings at the steps that every seed read of a row has."""
    import numpy as np

    seeds = [dict(zip(columns["step"].tolist(), columns[PROBE].tolist(), strict=True))
             for columns in found if PROBE in columns]
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    return line(row, steps, [np.array([seed[step] for step in steps]) for seed in seeds]) if steps else None
