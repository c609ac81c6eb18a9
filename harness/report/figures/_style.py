"""How every figure looks: sizes for a paper's column, marks that stay apart in grey, files that repeat to the byte."""

import io
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_IN, PAGE_IN = 3.4, 7.0  # one column of a two-column paper, and both
PNG_DPI = 220
# Used for nothing but text, lines, marks and what is empty: a page may replace each by its own colour.
INK, FAINT, GRID, PAPER = "#1b1b1b", "#707070", "#cfcfcf", "#fefefe"

# Okabe and Ito's colours without yellow, which is lost on paper; neighbours differ in lightness, dashes and marker too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4)), (0, (2.6, 1.4)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")

SETTINGS: Mapping[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 7.5, "axes.titlesize": 8, "axes.labelsize": 7.5,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7, "legend.title_fontsize": 7,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "xtick.color": FAINT, "ytick.color": FAINT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.titlelocation": "left", "axes.titlepad": 5.0,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "xtick.minor.size": 1.5, "ytick.minor.size": 1.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.4,
    "lines.linewidth": 1.3, "lines.markersize": 3.8, "legend.frameon": False, "legend.handlelength": 2.6,
    "legend.columnspacing": 1.4, "legend.labelspacing": 0.35, "figure.facecolor": "#ffffff", "axes.facecolor": "none",
    "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "harness", "savefig.dpi": PNG_DPI,
    "path.simplify": True, "figure.constrained_layout.h_pad": 0.04, "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.wspace": 0.06, "text.parse_math": False,  # a setting's words may hold dollar signs
}
# Without dates and versions, so that equal numbers give equal files.
METADATA: Mapping[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "harness", "Producer": "harness"},
    "svg": {"Date": None, "Creator": "harness"},
    "png": {"Software": "harness"},
}
FORMATS = tuple(METADATA)


@dataclass(frozen=True)
class Look:
    """How one row is drawn in every figure: colour, dashes and marker together tell it apart."""

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
    found = {
        row: Look(COLOURS[i % len(COLOURS)], DASHES[(i + first) % len(DASHES)], MARKERS[(i + first) % len(MARKERS)])
        for i, row in enumerate(others)
    }
    return tuple(found.get(row, Look(INK, "-", MARKERS[0])) for row in range(count))


@contextmanager
def settings() -> "Iterator[None]":
    """Draw with these settings, whatever the user's matplotlibrc says, and put everything back."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def new(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure; it belongs to no window and to no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def encoded(figure: "Figure", form: str) -> bytes:
    """Return the figure as pdf, svg or png; within `settings`."""
    buffer = io.BytesIO()
    paper = "#ffffff" if form == "png" else "none"
    figure.savefig(buffer, format=form, metadata=METADATA[form], facecolor=paper)
    return buffer.getvalue()


def legend(figure: "Figure", axes: "Axes", title: str = "", references: int = 0) -> None:
    """Put the axes' legend below everything, where it can hide no data, its first ``references`` entries last."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        order = [*range(references, len(labels)), *range(references)]
        rows = legend_rows(labels, figure.get_figwidth())
        figure.legend([handles[i] for i in order], [shortened(labels[i], figure.get_figwidth()) for i in order],
                      title=shortened(title, figure.get_figwidth()) or None,
                      loc="outside lower center", ncols=-(-len(labels) // rows))


def legend_rows(labels: "Sequence[str]", width_in: float) -> int:
    """Return how many rows a legend of these labels has, in as many columns as fit."""
    fitting = max(1, int(width_in / (0.055 * max(map(len, labels), default=1) + 0.42)))
    return max(1, -(-len(labels) // fitting))


def shortened(label: str, width_in: float) -> str:
    """Return a label that fits a figure's width; the CSV beside it has the whole one."""
    most = int((width_in - 0.42) / 0.055)
    return label if len(label) <= most else f"{label[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def height_in(labels: "Sequence[str]", width_in: float, axes_in: float = 1.95) -> float:
    """Return the height of a figure whose axes keep theirs whatever its legend needs."""
    return axes_in + 0.25 + 0.145 * legend_rows(labels, width_in)


def room(values: "list[float]", share: float = 0.35) -> tuple[float, float]:
    """Return limits around finite values, with a share of their range on both sides for bands."""
    low, high = min(values), max(values)
    margin = share * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin
