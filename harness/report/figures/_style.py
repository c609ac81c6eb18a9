"""The look of all figures: sizes, colours, line styles and legends; equal figures give equal bytes."""

import io
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = (0.0, 1.0)  # the bounds of PCK
COLUMN_IN, PAGE_IN = 3.4, 7.0  # one column of a two-column paper, and both
# For text, lines, marks and empty areas alone: a page replaces each by its own colour. Also in harness.mplstyle.
INK, FAINT, GRID, PAPER = "#1b1b1b", "#707070", "#cfcfcf", "#fefefe"

# Okabe and Ito's colours without yellow, which is too pale on paper; neighbours differ in lightness.
# Violet and brown are as far from them and from each other, also for the colour-blind: one for each row of a figure.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#664ce6", "#8f2914")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4)), (0, (2.6, 1.4)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")

STYLE = Path(__file__).parent / "harness.mplstyle"
# Without dates and versions, so that equal numbers give equal files.
METADATA: Mapping[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "harness", "Producer": "harness"},
    "svg": {"Date": None, "Creator": "harness"},
    "png": {"Software": "harness"},
}
FORMATS = tuple(METADATA)


@dataclass(frozen=True)
class Look:
    """Colour, dashes and marker of one row; together they are unique in a figure, also in grey."""

    colour: str
    dashes: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Return the keywords of a line."""
        return {"color": self.colour, "linestyle": self.dashes}


def looks(count: int, baseline: int | None = None) -> tuple[Look, ...]:
    """Return the looks of ``count`` rows; the baseline is a solid line in ink."""
    first = 0 if baseline is None else 1  # the solid line and the disc are the baseline's
    others = [row for row in range(count) if row != baseline]
    by_row = {
        row: Look(COLOURS[i % len(COLOURS)], DASHES[(i + first) % len(DASHES)], MARKERS[(i + first) % len(MARKERS)])
        for i, row in enumerate(others)
    }
    return tuple(by_row.get(row, Look(INK, "-", MARKERS[0])) for row in range(count))


@contextmanager
def applied_style() -> "Iterator[None]":
    """Draw in the style of all figures, without the user's matplotlibrc; restore matplotlib's settings at the end."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(mpl.rc_params_from_file(STYLE, use_default_template=False))
        yield


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure, without a window or pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def file_bytes(figure: "Figure", form: str) -> bytes:
    """Return the figure as pdf, svg or png; within `applied_style`."""
    buffer = io.BytesIO()
    paper = "#ffffff" if form == "png" else "none"
    figure.savefig(buffer, format=form, metadata=METADATA[form], facecolor=paper)
    return buffer.getvalue()


def draw_legend(figure: "Figure", axes: "Axes", title: str = "", references: int = 0) -> None:
    """Put the axes' legend below the axes, its first ``references`` entries last."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        order = [*range(references, len(labels)), *range(references)]
        rows = legend_rows(labels, figure.get_figwidth())
        figure.legend([handles[i] for i in order], [shortened(labels[i], figure.get_figwidth()) for i in order],
                      title=shortened(title, figure.get_figwidth()) or None,
                      loc="outside lower center", ncols=-(-len(labels) // rows))


def legend_rows(labels: "Sequence[str]", width_in: float) -> int:
    """Return the number of rows of a legend with as many columns as fit."""
    fitting = max(1, int(width_in / (0.055 * max(map(len, labels), default=1) + 0.42)))
    return max(1, -(-len(labels) // fitting))


def shortened(label: str, width_in: float) -> str:
    """Return a label cut to a figure's width; the CSV beside the figure has the whole one."""
    most = int((width_in - 0.42) / 0.055)
    return label if len(label) <= most else f"{label[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def height_in(labels: "Sequence[str]", width_in: float, axes_in: float = 1.95) -> float:
    """Return the height of a figure with axes of a fixed height and room for the legend."""
    return axes_in + 0.25 + 0.145 * legend_rows(labels, width_in)


def padded_limits(values: "list[float]", share: float = 0.35) -> tuple[float, float]:
    """Return limits around finite values, with a share of their range added on both sides."""
    low, high = min(values), max(values)
    margin = share * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin
