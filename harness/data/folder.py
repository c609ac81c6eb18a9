"""Your own photographs: every image in a folder, with or without keypoints in a table beside them."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._images import SUFFIXES, data_root, file_sizes, path_inside, size_px
from harness.data._photos import Numbers, PhotoData, Photos
from harness.data.base import Rules
from harness.errors import UsageError
from harness.registry import knob

TABLE = "keypoints.csv"
SOURCE = "wherever your photographs are"
COLUMNS = ("image", "keypoint", "x", "y")
PointTable = dict[str, dict[str, tuple[float, float, bool]]]  # image -> keypoint -> (row, column, visible)


@dataclass(frozen=True)
class Folder(PhotoData):
    """The images of a folder and its subfolders, with the keypoints of ``keypoints.csv`` if it exists.

    Its columns are ``image`` (path in the folder), ``keypoint`` (a name), ``x``, ``y`` in pixels of the image after its
    EXIF rotation, from the top left corner, and optionally ``visible`` (1 or 0). A point is not visible if it has no
    row, or no annotation: a coordinate that is negative or not finite, or 0, 0 with ``visible`` 0. The unit of errors
    is the longer side of the box around an image's annotated points, visible or not; with fewer than two points that of
    the image. ``crop: points`` cuts out this box, enlarged by a fifth on each side. Points that are not visible are not
    scored; without a table PCK is left out.
    """

    rules = Rules(normaliser="longer side of the box around the annotated points")

    test_share: float = knob(0.25, "share of the images that are kept for testing", low=0.0, high=0.9)
    crop: str = knob("image", "what is cut out: the whole image, or a square around its keypoints",
                     choices=("image", "points"))

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names in the table, in order of appearance."""
        return self.photos.names

    def read(self) -> Photos:
        """Return the index; opens the header of an image if its size is needed."""
        root = data_root(self.name, self.root, SOURCE)
        files = tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                             if path.suffix.lower() in SUFFIXES and path.is_file()))
        if not files:
            raise UsageError(f"data folder {root}: no images in it ({', '.join(SUFFIXES)})")
        sizes = file_sizes(root, files, str(root))
        points, labels = _read_table(root)
        for image in points.keys() - set(files):
            raise UsageError(f"{root / TABLE}: {image!r} is no image in {root}")
        places, visible = _arrays(files, points)
        tight = _boxes_around(places)
        normaliser = np.fmax(tight[:, 2] - tight[:, 0], tight[:, 3] - tight[:, 1])
        for row in np.flatnonzero(~(normaliser > 0)):
            normaliser[row] = max(size_px(root / files[row]))
            tight[row] = np.nan
        margins = np.array([-1, -1, 1, 1], np.float32) * 0.2 * normaliser[:, None]
        boxes = tight + margins if self.crop == "points" else np.full_like(tight, np.nan)
        is_test = np.zeros(len(files), bool)
        is_test[_test_rows(files, self.test_share)] = True
        lists = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
        return Photos(root, files, places, visible, boxes, normaliser, lists, tuple(sizes), labels,
                      names=_names(points))


def _test_rows(files: tuple[str, ...], share: float) -> list[int]:
    """Return the test images: those whose names have the lowest hashes, so that a new image moves few others."""
    order = sorted(range(len(files)), key=lambda row: hashlib.sha256(files[row].encode()).digest())
    return order[: round(share * len(files))]


def _read_table(root: Path) -> tuple[PointTable, str]:
    """Return the annotated points by image and keypoint, and the table's hash; ({}, "") without a table."""
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
    points: PointTable = {}
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
            x, y, visible = float(row["x"]), float(row["y"]), float(row.get("visible") or 1)
        except (TypeError, ValueError):
            raise UsageError(f"{where}: x, y and visible must be numbers: {row}") from None
        # "Not annotated" is -1 in many tables, and 0, 0 with visible 0 in those of COCO.
        annotated = min(x, y) >= 0 and bool(np.isfinite([x, y]).all()) and (x, y, visible) != (0, 0, 0)
        point = (y, x, bool(visible)) if annotated else (np.nan, np.nan, False)
        yield path_inside(root, str(row["image"]), where), str(row["keypoint"]), point


def _names(points: PointTable) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for image in points.values() for name in image))


def _arrays(files: tuple[str, ...], points: PointTable) -> tuple[Numbers, Any]:
    columns = {name: k for k, name in enumerate(_names(points))}
    places = np.full((len(files), len(columns), 2), np.nan, np.float32)
    visible = np.zeros((len(files), len(columns)), bool)
    for row, file in enumerate(files):
        for name, (y, x, is_visible) in points.get(file, {}).items():
            places[row, columns[name]] = y, x
            visible[row, columns[name]] = is_visible
    return places, visible


def _boxes_around(places: Numbers) -> Numbers:
    """Return the box around each image's points, NaN if it has none."""
    boxes = np.full((len(places), 4), np.nan, np.float32)
    annotated = np.isfinite(places).all(-1).any(-1)
    if places.shape[1]:
        boxes[annotated, :2] = np.nanmin(places[annotated], axis=1)
        boxes[annotated, 2:] = np.nanmax(places[annotated], axis=1)
    return boxes
