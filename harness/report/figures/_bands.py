"""Lines with bands: the mean over seeds of each setting and its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.figures._source import FigureRow, interval_curves, plain
from harness.report.figures._style import FAINT, Look, padded_limits

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

MARKS = 6  # markers along a line, which distinguish it in grey
UNBOUNDED = (-math.inf, math.inf)
WIDEST = 1.5  # how far a band widens the limits on each side, in ranges of the means
APART = 0.05  # between lines of one point
CUT = "Bands beyond the frame are cut; the CSV has their ends."


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


def draw_lines(axes: "Axes", lines: Sequence[DrawnLine], bounds: tuple[float, float] = UNBOUNDED) -> None:
    """Draw lines over their bands, a line of one point as a mark with a bar; limits as in `limits`."""
    import numpy as np

    for i, line in enumerate(lines):
        x = line.x if len(line.x) > 1 else [line.x[0] + APART * (i - (len(lines) - 1) / 2)]  # bars side by side
        if line.low is not None and line.high is not None and len(line.x) > 1:
            axes.fill_between(line.x, line.low, line.high, color=line.look.colour, alpha=0.16, linewidth=0, zorder=1)
        elif line.low is not None and line.high is not None:
            axes.errorbar(x, line.mean, [np.subtract(line.mean, line.low), np.subtract(line.high, line.mean)],
                          color=line.look.colour, elinewidth=1.0, capsize=1.6, alpha=0.55, zorder=1)
        step = max(1, len(line.x) // MARKS)
        marks: dict[str, Any] = {"marker": line.look.marker, "markevery": (i * step // 8 % step, step)}
        axes.plot(x, line.mean, label=line.label, zorder=3 if line.look.dashes == "-" else 2,
                  markeredgecolor="none", **line.look.line, **({} if line.is_reference else marks))
    axes.set_ylim(*limits(lines, bounds))


def limits(lines: Sequence[DrawnLine], bounds: tuple[float, float] = UNBOUNDED) -> tuple[float, float]:
    """Return the limits of y: they hold every band, unless one of few seeds is so wide that it would flatten the lines.

    ``bounds`` are the lowest and the highest value that the numbers can have, which an interval may exceed.
    """
    low, high = padded_limits([value for line in lines for value in line.mean], 0.12)
    ends = _ends(lines)
    room = WIDEST * (high - low) if any(len(line.x) > 1 for line in lines) else math.inf
    low, high = max(low - room, min([low, *ends])), min(high + room, max([high, *ends]))
    return max(low, bounds[0]), min(high, bounds[1])


def cut_note(lines: Sequence[DrawnLine], bounds: tuple[float, float] = UNBOUNDED) -> str:
    """Return a caption's remark on the bands that the limits cut; "" if they hold all."""
    low, high = limits(lines, bounds)
    return CUT if any(not low <= end <= high for end in _ends(lines)) else ""


def _ends(lines: Sequence[DrawnLine]) -> list[float]:
    return [value for line in lines for value in (*(line.low or ()), *(line.high or ()))]


def reference_line(label: str, x: Sequence[float], mean: Sequence[float], dashes: Any) -> DrawnLine:
    """Return the line of an untrained reference, in grey and without marks."""
    return DrawnLine(label, Look(FAINT, dashes, ""), tuple(x), tuple(mean), is_reference=True)
