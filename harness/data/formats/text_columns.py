"""Annotation files with numbers in columns (CelebA, CUB)."""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Columns = NDArray[np.float64]


def lines(path: Path, skip: int = 0) -> Iterable[tuple[int, list[str]]]:
    """Yield number (from 1) and words of each line that is not blank, after the first ``skip`` lines.

    Raises UsageError naming a file that is missing or not text.
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


def table(path: Path, columns: int, word: int | None = None, skip: int = 0) -> tuple[Columns, list[str]]:
    """Return a file's numbers, and the words of the column ``word``, which holds names.

    Raises UsageError naming file and line of a wrong number of columns, or of a cell that is not a number.
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
            raise UsageError(f"{path}, line {place}: {' '.join(row)!r} are not numbers") from None
    return np.array(numbers, dtype=np.float64).reshape(-1, columns - (word is not None)), words


def listed(path: Path) -> list[str]:
    """Return the first word of every line; raise UsageError if one is listed twice or there is none."""
    names = [row[0] for _, row in lines(path)]
    if not names:
        raise UsageError(f"{path}: is empty")
    demand_unique(names, str(path))
    return names


def demand_unique(names: Sequence[Hashable], where: str) -> None:
    """Raise UsageError for the first name that is listed twice."""
    earlier: set[Hashable] = set()
    for name in names if len(set(names)) < len(names) else ():
        if name in earlier:
            raise UsageError(f"{where}: {name!r} is listed twice")
        earlier.add(name)


def demand_apart(train: Iterable[str], test: Iterable[str], where: str) -> None:
    """Raise UsageError if the lists for training and testing share an image."""
    both = sorted(set(train) & set(test))
    if both:
        raise UsageError(f"{where}: {both[0]!r} is in both the training and the test list ({len(both)} images are)")
