"""The base classes of figures: their numbers, drawing and files."""

import hashlib
import os
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness import user_cache
from harness.report.figures import _style
from harness.store.atomic_files import replace_file

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.figure import Figure

    from harness.report.figures._source import FigureSource


class Chart(ABC):
    """One figure. Its fields are its numbers, so that tests check these and not pixels."""

    title: ClassVar[str]

    @property
    @abstractmethod
    def caption(self) -> str:
        """Return the text below the figure: its content, the meaning of bands and bars, and omissions."""

    @abstractmethod
    def size_in(self) -> tuple[float, float]:
        """Return width and height in inches."""

    @abstractmethod
    def paint(self, figure: "Figure") -> None:
        """Draw the numbers."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers as flat rows, for the CSV beside the figure."""


class Kind(Chart):
    """A figure of a report, in a file of the kind's name. ``place`` is its position on a page."""

    place: ClassVar[int]

    @classmethod
    @abstractmethod
    def of(cls, source: "FigureSource") -> "Self | None":
        """Return the figure, None if the records have no numbers for it."""


def to_bytes(chart: Chart, forms: tuple[str, ...] = _style.FORMATS) -> Mapping[str, bytes]:
    """Return the figure's files by format; equal numbers give equal bytes."""
    with _style.applied_style():
        figure = _style.new_figure(*chart.size_in())
        chart.paint(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout is computed once, for all formats
        return {form: _style.file_bytes(figure, form) for form in forms}


def save(chart: Chart, folder: Path, stem: str, forms: tuple[str, ...] = _style.FORMATS) -> list[Path]:
    """Write ``<stem>.pdf``, ``.svg``, ``.png`` and the numbers as ``.csv``; return the files.

    Files that are as this code drew them from the same numbers stay as they are: drawing takes seconds.
    """
    paths = [folder / f"{stem}.{form}" for form in (*forms, "csv")]
    name = hashlib.sha256(os.fsencode((folder / stem).resolve())).hexdigest()[:20]
    numbers = hashlib.sha256(pickle.dumps(chart) + _style.STYLE.read_bytes()).hexdigest()
    if user_cache.read("figures", name, numbers) == _checksum(paths):
        return paths
    for path, content in zip(paths, (*to_bytes(chart, forms).values(), to_csv(chart.rows())), strict=True):
        replace_file(path, content)
    user_cache.write("figures", name, _checksum(paths), numbers)
    return paths


def _checksum(paths: Sequence[Path]) -> str:
    """Return a hash of the files' contents, of a missing one's absence."""
    return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "-" for path in paths)


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as CSV: numbers with all digits, an empty field for None."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
