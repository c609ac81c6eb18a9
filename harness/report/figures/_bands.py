"""Lines with bands: one per setting, the mean over seeds and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.figures._source import Row, over_seeds, plain
from harness.report.figures._style import FAINT, Look, room

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

MARKS = 6  # markers along a line, so that it is told apart in grey


@dataclass(frozen=True)
class Line:
    """The mean over seeds at each x, and the ends of its interval; None where there is one seed or none is meant."""

    label: str
    look: Look
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    is_reference: bool = False

    def rows(self, x: str, y: str) -> list[dict[str, Any]]:
        """Return the numbers as flat rows under the names of both axes."""
        ends = [self.low or [None] * len(self.x), self.high or [None] * len(self.x)]
        return [
            plain(self.label, **{"of": y, x: at, "mean": mean, "low": low, "high": high})
            for at, mean, low, high in zip(self.x, self.mean, *ends, strict=True)
        ]


def line(row: Row, x: Sequence[float], curves: Sequence["np.ndarray"]) -> Line:
    """Return a row's line from one curve per seed, cut to the shortest."""
    length = min(len(x), *(len(curve) for curve in curves))
    return Line(row.label, row.look, tuple(x[:length]), *over_seeds([curve[:length] for curve in curves]))


def draw(axes: "Axes", lines: Sequence[Line]) -> None:
    """Draw bands first, then lines; limits follow the means, so that a wide band of few seeds hides no line."""
    for i, item in enumerate(lines):
        if item.low is not None and item.high is not None:
            axes.fill_between(item.x, item.low, item.high, color=item.look.colour, alpha=0.16, linewidth=0, zorder=1)
        every = max(1, len(item.x) // MARKS)
        marks: dict[str, Any] = {"marker": item.look.marker, "markevery": (i * every // 8 % every, every)}
        axes.plot(item.x, item.mean, label=item.label, zorder=3 if item.look.dashes == "-" else 2,
                  markeredgecolor="none", **item.look.line, **({} if item.is_reference else marks))
    low, high = room([value for item in lines for value in item.mean], 0.12)
    ends = [value for item in lines for value in (*(item.low or ()), *(item.high or ()))]
    spread = high - low
    axes.set_ylim(max(low - spread / 2, min([low, *ends])), min(high + spread / 2, max([high, *ends])))


def reference(label: str, x: Sequence[float], mean: Sequence[float], dashes: Any) -> Line:
    """Return a line of something that no training produced, in grey and without marks."""
    return Line(label, Look(FAINT, dashes, ""), tuple(x), tuple(mean), is_reference=True)
