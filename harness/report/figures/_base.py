"""What a figure is: the numbers it shows, and how they are drawn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures import _style
from harness.store.atomic_files import replace_file

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.figure import Figure

    from harness.report.figures._source import Source


class Chart(ABC):
    """One figure. Its fields are its numbers, so that what is drawn can be checked without looking at pixels."""

    title: ClassVar[str]

    @property
    @abstractmethod
    def caption(self) -> str:
        """Return what stands below the figure: what is shown, what bands and bars mean, what is left out."""

    @abstractmethod
    def size_in(self) -> tuple[float, float]:
        """Return width and height in inches."""

    @abstractmethod
    def paint(self, figure: "Figure") -> None:
        """Draw the numbers."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers as flat rows, for the CSV file beside the figure."""


class Kind(Chart):
    """A figure of a report; one file each, and the file's name is the kind's. ``place`` orders them on a page."""

    place: ClassVar[int]

    @classmethod
    @abstractmethod
    def of(cls, source: "Source") -> "Self | None":
        """Return the figure, None where the records have nothing to show in it."""


def render(chart: Chart, forms: tuple[str, ...] = _style.FORMATS) -> Mapping[str, bytes]:
    """Return the figure's files by format; equal numbers give equal bytes."""
    with _style.settings():
        figure = _style.new(*chart.size_in())
        chart.paint(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, alike in every format
        return {form: _style.encoded(figure, form) for form in forms}


def save(chart: Chart, folder: Path, stem: str, forms: tuple[str, ...] = _style.FORMATS) -> list[Path]:
    """Write ``<stem>.pdf``, ``.svg``, ``.png`` and the numbers as ``.csv``; return the files."""
    files = {**render(chart, forms), "csv": table(chart.rows())}
    for form, content in files.items():
        replace_file(folder / f"{stem}.{form}", content)
    return [folder / f"{stem}.{form}" for form in files]


def table(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as CSV; every number with all its digits, an empty field where there is none."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
