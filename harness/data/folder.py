"""Your own photographs: every image in a folder, with or without keypoints in a table beside them."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._images import SUFFIXES, data_root, inside, size_px, sizes
from harness.data._photos import Numbers, PhotoData, Photos
from harness.data.base import Rules
from harness.errors import UsageError
from harness.registry import knob

TABLE = "keypoints.csv"
SOURCE = "wherever your photographs are"
COLUMNS = ("image", "keypoint", "x", "y")
Points = dict[str, dict[str, tuple[float, float, bool]]]


@dataclass(frozen=True)
class Folder(PhotoData):
    """Images in a folder and those below it; ``keypoints.csv``, where there is one, says what they show.

    Its columns are ``image`` (path in the folder), ``keypoint`` (a name), ``x``, ``y`` in pixels of the image as it is
    seen, from its top left corner, and, if you like, ``visible`` (1 or 0). What has no row is not visible, nor is what
    nobody annotated: a coordinate that is negative or no finite number, or 0, 0 with ``visible`` 0. Boxes are those
    around an image's annotated points, whether visible or not, a fifth wider on each side with ``crop: points``; the
    normaliser is the longer side of the box around the points, or of the image where it has fewer than two. Points that
    are not visible are not scored, and without a table nothing is, by PCK.
    """

    test_share: float = knob(0.25, "share of the images that are kept for testing", low=0.0, high=0.9)
    crop: str = knob("image", "what is cut out: the whole image, or a square around its keypoints",
                     choices=("image", "points"))

    @property
    def rules(self) -> Rules:
        """Return how errors are measured."""
        return Rules(normaliser="longer side of the box around the annotated points")

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names in the table, in order of appearance."""
        return self.photos.names

    def read(self) -> Photos:
        """Return the index; opens each image's header where its size is needed."""
        root = data_root(self.name, self.root, SOURCE)
        files = tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                             if path.suffix.lower() in SUFFIXES and path.is_file()))
        if not files:
            raise UsageError(f"data folder {root}: no images in it ({', '.join(SUFFIXES)})")
        found = sizes(root, files, str(root))
        points, labels = _table(root)
        for image in points.keys() - set(files):
            raise UsageError(f"{root / TABLE}: {image!r} is no image in {root}")
        places, visible = _arrays(files, points)
        inner = _around(places)
        normaliser = np.fmax(inner[:, 2] - inner[:, 0], inner[:, 3] - inner[:, 1])
        for row in np.flatnonzero(~(normaliser > 0)):
            normaliser[row] = max(size_px(root / files[row]))
            inner[row] = np.nan
        wider = np.array([-1, -1, 1, 1], np.float32) * 0.2 * normaliser[:, None]
        boxes = inner + wider if self.crop == "points" else np.full_like(inner, np.nan)
        tests = np.zeros(len(files), bool)
        tests[_drawn(files, self.test_share)] = True
        return Photos(root, files, places, visible, boxes, normaliser, labels=labels, sizes=tuple(found),
                      names=_names(points),
                      lists={"train": np.flatnonzero(~tests), "test": np.flatnonzero(tests)})


def _drawn(files: tuple[str, ...], share: float) -> list[int]:
    """Return which images are kept for testing: those whose names hash lowest, so that adding one moves few others."""
    order = sorted(range(len(files)), key=lambda row: hashlib.sha256(files[row].encode()).digest())
    return order[: round(share * len(files))]


def _table(root: Path) -> tuple[Points, str]:
    """Return the annotated points by image and name, and the table's hash; nothing where there is no table."""
    path = root / TABLE
    if not path.is_file():
        return {}, ""
    content = path.read_bytes()
    try:
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8: {error}") from error
    if not rows or not set(COLUMNS) <= rows[0].keys():
        raise UsageError(f"{path}: needs rows with the columns {', '.join(COLUMNS)}, and visible if you like")
    points: Points = {}
    for image, name, point in _entries(path, root, rows):
        if name in points.setdefault(image, {}):
            raise UsageError(f"{path}: {image!r} has keypoint {name!r} twice")
        points[image][name] = point
    return points, hashlib.sha256(content).hexdigest()


def _entries(path: Path, root: Path, rows: list[dict[str, Any]]
             ) -> Iterator[tuple[str, str, tuple[float, float, bool]]]:
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        try:
            x, y, seen = float(row["x"]), float(row["y"]), float(row.get("visible") or 1)
        except (TypeError, ValueError):
            raise UsageError(f"{where}: x, y and visible must be numbers: {row}") from None
        # "Not annotated" is -1 in many tables, and in COCO's 0, 0 with visible 0.
        known = min(x, y) >= 0 and bool(np.isfinite([x, y]).all()) and (x, y, seen) != (0, 0, 0)
        point = (y, x, bool(seen)) if known else (np.nan, np.nan, False)
        yield inside(root, str(row["image"]), where), str(row["keypoint"]), point


def _names(points: Points) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for image in points.values() for name in image))


def _arrays(files: tuple[str, ...], points: Mapping[str, Mapping[str, tuple[float, float, bool]]]
            ) -> tuple[Numbers, Any]:
    columns = {name: k for k, name in enumerate(_names(dict(points)))}  # type: ignore[arg-type]
    places = np.full((len(files), len(columns), 2), np.nan, np.float32)
    visible = np.zeros((len(files), len(columns)), bool)
    for row, file in enumerate(files):
        for name, (y, x, seen) in points.get(file, {}).items():
            places[row, columns[name]] = y, x
            visible[row, columns[name]] = seen
    return places, visible


def _around(places: Numbers) -> Numbers:
    """Return each image's box around its points, NaN where it has none."""
    boxes = np.full((len(places), 4), np.nan, np.float32)
    shown = np.isfinite(places).all(-1).any(-1)
    if places.shape[1]:
        boxes[shown, :2] = np.nanmin(places[shown], axis=1)
        boxes[shown, 2:] = np.nanmax(places[shown], axis=1)
    return boxes
