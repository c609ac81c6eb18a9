"""The harness's own keypoint table: a CSV with the columns image, keypoint, x, y and, optionally, visible."""

import csv
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from harness.data.formats.annotations import Annotations, Files, Points, digest, in_order, number, point
from harness.data.formats.json_labels import read_bytes
from harness.errors import UsageError

COLUMNS = ("image", "keypoint", "x", "y")
OPTIONAL = "visible"
VISIBLE = {"1": True, "1.0": True, "2": True, "true": True, "yes": True, "": True,
           "0": False, "0.0": False, "false": False, "no": False}


def read(path: Path, files: Files) -> Annotations:
    """Return the points of a table.

    Names of columns and cells are trimmed. An empty x or y is a point that nobody annotated; so are a negative one, and
    0, 0 with ``visible`` 0. Raises UsageError naming file and line.
    """
    content = read_bytes(path, "your annotations")
    points: Points = {}
    places: dict[str | tuple[str, str], str] = {}
    for line, row in _rows(path, content):
        where = f"{path}, line {line}"
        image, name = files.find(row["image"], where), row["keypoint"]
        if not name:
            raise UsageError(f"{where}: the keypoint has no name")
        x, y = number(row["x"], "x", where), number(row["y"], "y", where)
        if bool(row["x"]) != bool(row["y"]):
            raise UsageError(f"{where}: x is {row['x']!r}, y is {row['y']!r}; a point needs both, or neither")
        flag = row.get(OPTIONAL, "").lower()
        if flag not in VISIBLE:
            raise UsageError(f"{where}: visible is {flag!r}; expected 1 or 0, true or false")
        if name in points.setdefault(image, {}):
            raise UsageError(f"{where}: {image!r} has keypoint {name!r} twice")
        absent = (x, y) == (0, 0) and not VISIBLE[flag]  # COCO's mark
        points[image][name] = point(-1.0 if absent else x, y, VISIBLE[flag])
        places[image, name] = where
    names = in_order(name for named in points.values() for name in named)
    return Annotations(points, names, digest([content]), str(path), places=places)


def _rows(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row that has a cell, trimmed, with the file's own line number."""
    try:
        reader = csv.reader(content.decode("utf-8-sig").splitlines())
        header: list[str] | None = None
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if header is None:
                header = _header(path, cells)
                continue
            if any(cells[len(header):]):
                raise UsageError(f"{path}, line {reader.line_num}: {len(cells)} cells, but the header has "
                                 f"{len(header)}")
            cells += [""] * (len(header) - len(cells))
            yield reader.line_num, dict(zip(header, cells, strict=False))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8: {error}") from error
    if header is None:
        raise UsageError(f"{path}: needs a header with the columns {', '.join(COLUMNS)}, and optionally {OPTIONAL}")


def _header(path: Path, cells: list[str]) -> list[str]:
    """Return the names of the columns; raise UsageError if one is missing, or looks like a misspelt one."""
    names = [cell.lower() for cell in cells]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UsageError(f"{path}: the column {missing[0]!r} is missing; needs the columns {', '.join(COLUMNS)}, and "
                         f"optionally {OPTIONAL}; the header has {', '.join(cells)}")
    for name in {*names} - {*COLUMNS, OPTIONAL}:
        close = get_close_matches(name, (OPTIONAL,), cutoff=0.6)
        if close and OPTIONAL not in names:
            raise UsageError(f"{path}: unknown column {name!r}; did you mean {close[0]!r}?")
    if len(set(names)) < len([name for name in names if name]):
        raise UsageError(f"{path}: a column is listed twice in {', '.join(cells)}")
    return names
