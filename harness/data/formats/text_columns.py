"""Annotation files of numbers in columns, as the data sets of photographs have them."""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Table = NDArray[np.float64]


def lines(path: Path, skip: int = 0) -> Iterable[tuple[int, list[str]]]:
    """Yield the words of each line that has any, with the line's number from 1; the first ``skip`` lines are left out.

    Raises UsageError naming a file that is missing or is no text.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                words = line.split()
                if words and number > skip:
                    yield number, words
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file (UTF-8)") from None


def table(path: Path, columns: int, word: int | None = None, skip: int = 0) -> tuple[Table, list[str]]:
    """Return the numbers of a file in columns, and the words of the one column that holds words.

    Raises UsageError naming file and line where a line has another number of columns, or no number where one belongs.
    """
    numbers, words = array("d"), []
    for place, row in lines(path, skip):
        if len(row) != columns:
            raise UsageError(f"{path}, line {place}: {len(row)} columns, expected {columns}")
        if word is not None:
            words.append(row.pop(word))
        try:
            numbers.extend([float(cell) for cell in row])
        except ValueError:
            raise UsageError(f"{path}, line {place}: {' '.join(row)!r} are no numbers") from None
    return np.array(numbers, dtype=np.float64).reshape(-1, columns - (word is not None)), words


def listed(path: Path) -> list[str]:
    """Return the first word of every line; raise UsageError where one stands twice or there is none."""
    found = [row[0] for _, row in lines(path)]
    if not found:
        raise UsageError(f"{path}: is empty")
    demand_unique(found, str(path))
    return found


def demand_unique(names: Sequence[Hashable], where: str) -> None:
    """Raise UsageError for the first of these that stands twice."""
    seen: set[Hashable] = set()
    for name in names if len(set(names)) < len(names) else ():
        if name in seen:
            raise UsageError(f"{where}: {name!r} stands twice")
        seen.add(name)


def demand_apart(train: Iterable[str], test: Iterable[str], where: str) -> None:
    """Raise UsageError where the lists for training and for testing share an image."""
    both = sorted(set(train) & set(test))
    if both:
        raise UsageError(f"{where}: {both[0]!r} is in both the training and the test list ({len(both)} images are)")
