"""DeepLabCut's labels: CollectedData_<scorer>.csv, whose header rows are scorer, (individuals,) bodyparts, coords.

Source: DeepLabCut's documentation, "labeled data": image paths in one column, or in three (labeled-data, video, image).
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from harness.data.formats.annotations import Annotations, Files, Points, digest, in_order, number, point
from harness.data.formats.json_labels import read_bytes
from harness.errors import UsageError

HEADER = ("scorer", "individuals", "bodyparts", "coords")


def is_deeplabcut(path: Path) -> bool:
    """Return whether a CSV file begins with DeepLabCut's header rows."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = [line.split(",", 1)[0].strip() for line, _ in zip(file, range(3), strict=False)]
    except (OSError, UnicodeDecodeError):
        return False
    return first[:1] == ["scorer"] and "bodyparts" in first


def read(path: Path, files: Files) -> Annotations:
    """Return the points of one animal; every labelled point is visible, an empty cell was not labelled.

    Raises UsageError naming file and line, and for labels of several animals.
    """
    content = read_bytes(path, "your annotations")
    try:
        reader = csv.reader(content.decode("utf-8-sig").splitlines())
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8: {error}") from error
    header = {cells[0]: cells for _, cells in rows if cells[0] in HEADER}
    if not {"scorer", "bodyparts", "coords"} <= header.keys():
        raise UsageError(f"{path}: not DeepLabCut's table: its first rows must be scorer, bodyparts and coords")
    start = _first_column(path, header["coords"])
    animals = in_order(filter(None, header.get("individuals", [""])[start:]))
    if len(animals) > 1:
        raise UsageError(f"{path}: labels of {len(animals)} individuals ({', '.join(animals[:3])}); one is needed")
    names = header["bodyparts"][start::2]
    points: Points = {}
    places: dict[str | tuple[str, str], str] = {}
    for line, cells in rows:
        if cells[0] in header:
            continue
        where = f"{path}, line {line}"
        image = files.find("/".join(filter(None, cells[:start])), where)
        if image in points:
            raise UsageError(f"{where}: {image!r} is listed twice")
        values = [*cells[start:], *[""] * (2 * len(names))][: 2 * len(names)]
        points[image] = {name: point(number(x, f"x of {name}", where), number(y, f"y of {name}", where), True)
                         for name, x, y in zip(names, values[::2], values[1::2], strict=True)}
        places[image] = where
    return Annotations(points, in_order(names), digest([content]), str(path), places=places)


def _first_column(path: Path, coords: Sequence[str]) -> int:
    """Return the first column that holds a coordinate; raise UsageError if they do not alternate x, y."""
    start = next((column for column, cell in enumerate(coords) if column and cell), len(coords))
    if start == len(coords) or list(coords[start:]) != ["x", "y"] * ((len(coords) - start) // 2):
        raise UsageError(f"{path}: the row coords must read x, y, x, y, ...")
    return start
