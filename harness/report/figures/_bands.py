"""Lines with bands: the mean over seeds of each setting and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.figures._source import FigureRow, interval_curves, plain
from harness.report.figures._style import FAINT, Look, padded_limits

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

MARKS = 6  # markers along a line, which distinguish it in grey


@dataclass(frozen=True)
class DrawnLine:
    """The mean over seeds at each x, and the ends of its interval; None for one seed and for references."""

    label: str
    look: Look
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    is_reference: bool = False

    def rows(self, x: str, y: str) -> list[dict[str, Any]]:
        """Return the numbers as flat rows under the names of both axes."""
        none = [None] * len(self.x)
        return [plain(self.label, **{"of": y, x: at, "mean": mean, "low": low, "high": high}) for at, mean, low, high
                in zip(self.x, self.mean, self.low or none, self.high or none, strict=True)]


def seed_line(row: FigureRow, x: Sequence[float], curves: Sequence["np.ndarray"]) -> DrawnLine:
    """Return a row's line from one curve per seed, cut to the shortest."""
    length = min(len(x), *(len(curve) for curve in curves))
    return DrawnLine(row.label, row.look, tuple(x[:length]), *interval_curves([curve[:length] for curve in curves]))


def draw_lines(axes: "Axes", lines: Sequence[DrawnLine]) -> None:
    """Draw lines over their bands; the limits follow the means, so that a wide band of few seeds flattens no line."""
    for i, line in enumerate(lines):
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=line.look.colour, alpha=0.16, linewidth=0, zorder=1)
        step = max(1, len(line.x) // MARKS)
        marks: dict[str, Any] = {"marker": line.look.marker, "markevery": (i * step // 8 % step, step)}
        axes.plot(line.x, line.mean, label=line.label, zorder=3 if line.look.dashes == "-" else 2,
                  markeredgecolor="none", **line.look.line, **({} if line.is_reference else marks))
    low, high = padded_limits([value for line in lines for value in line.mean], 0.12)
    ends = [value for line in lines for value in (*(line.low or ()), *(line.high or ()))]
    spread = high - low  # a band widens the limits by at most half of this on each side
    axes.set_ylim(max(low - spread / 2, min([low, *ends])), min(high + spread / 2, max([high, *ends])))


def reference_line(label: str, x: Sequence[float], mean: Sequence[float], dashes: Any) -> DrawnLine:
    """Return the line of an untrained reference, in grey and without marks."""
    return DrawnLine(label, Look(FAINT, dashes, ""), tuple(x), tuple(mean), is_reference=True)
