"""DeepFashion: people in shop photographs, those of the In-shop benchmark whose joints a pose detector all found.

Layout as AutoLink and StableKeypoints read it: ``data_{train,test}.csv``, a header and one row per image whose second
column is the file in ``img/``; ``data_{train,test}.json``, in the same order, a list of objects whose ``keypoints`` are
points (x, y) at 256 px. 10604 and 1179 images.

Points are divided by 256 as in both, so they count from the image's upper left corner. The files hold neither number
nor names of the joints: their number is that of the first entry, their names are numbers. Negative or NaN means not
visible. The whole image is seen; the unit of PCK is its side, so the published limit of 6 px at 256 px is 0.0234375.

Liu et al.: DeepFashion, CVPR 2016, https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html; lists and points of Lorenz
et al.: Unsupervised Part-Based Disentangling of Object Shape and Appearance, CVPR 2019
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._images import data_root, file_sizes, path_inside, require_files
from harness.data._photos import Label, Numbers, PhotoData, Photos, scale_label
from harness.data.base import Rules
from harness.data.formats.json_labels import parse_json, parse_lines, read_bytes
from harness.errors import UsageError

SOURCE = "the links in AutoLink's README (github.com/xingzhehe)"
SIDE = 256  # pixels of the images that the points refer to


@dataclass(frozen=True)
class Deepfashion(PhotoData):
    """DeepFashion's In-shop images with a whole person, lists and points as AutoLink and StableKeypoints use them."""

    rules = Rules(normaliser="side of the image", official="below_6px")

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The joints' numbers."""
        return tuple(str(number) for number in range(self.photos.points_yx_px.shape[1]))

    def read(self) -> Photos:
        """Return the index; opens the four lists and no image."""
        root, digest = data_root(self.name, self.root, SOURCE), hashlib.sha256()
        require_files(root, ("img",), SOURCE)
        train, train_points = _part(root, "train", digest)
        test, test_points = _part(root, "test", digest)
        for file in sorted(set(train) & set(test)):
            raise UsageError(f"data folder {root}: image {file} is in both data_train.csv and data_test.csv")
        if (count := test_points.shape[1]) != (expected := train_points.shape[1]):
            raise UsageError(f"{root / 'data_test.json'}: {count} keypoints an image; data_train.json has {expected}")
        files, points = (*train, *test), np.concatenate((train_points, test_points))
        rows = np.arange(len(files))
        return Photos(root, files, points, ~np.isnan(points[..., 0]), np.full((len(files), 4), np.nan, np.float32),
                      np.full(len(files), SIDE, np.float32), labels=digest.hexdigest(),
                      lists={"train": rows[: len(train)], "test": rows[len(train):]},
                      sizes=tuple(file_sizes(root, files, f"{root}/data_*.csv")))

    def label(self, row: int) -> Label:
        """Return an image's annotations in its own pixels."""
        return scale_label(super().label(row), self.path(row), SIDE)


def _part(root: Path, part: str, digest: Any) -> tuple[list[str], Numbers]:
    """Return the files of one list, relative to the root, and their points (row, column), NaN if missing."""
    table, annotation = root / f"data_{part}.csv", root / f"data_{part}.json"
    rows, labels = read_bytes(table, SOURCE), read_bytes(annotation, SOURCE)
    digest.update(rows + labels)
    files: dict[str, int] = {}
    for line, row in enumerate(_rows(rows, table), start=1):
        if line == 1 or not row:  # header
            continue
        if len(row) < 2 or not row[1].strip():
            raise UsageError(f"{table}, line {line}: {','.join(row)!r}: the second column names no file")
        file = "img/" + path_inside(root, row[1].strip(), f"{table}, line {line}")
        if file in files:
            raise UsageError(f"{table}, line {line}: {file} is on line {files[file]} too")
        files[file] = line
    entries = parse_json(labels, annotation)
    if not isinstance(entries, list) or len(entries) != len(files) or not files:
        count = len(entries) if isinstance(entries, list) else "no list of"
        raise UsageError(f"{annotation}: {count} entries; {table.name} has {len(files)} images, and each needs one")
    return list(files), _points(entries, annotation)


def _rows(content: bytes, path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(parse_lines(content, path)))
    except csv.Error as error:
        raise UsageError(f"{path}: not a CSV file: {error}") from error


def _points(entries: list[Any], path: Path) -> Numbers:
    places: list[Numbers] = []
    for number, entry in enumerate(entries):
        try:
            points = np.asarray(entry["keypoints"], np.float32)
        except (TypeError, KeyError, ValueError):
            points = np.empty(0, np.float32)
        if points.ndim != 2 or points.shape[1] != 2 or np.isinf(points).any():
            raise UsageError(f"{path}, entry {number}: expected keypoints, a list of x, y; has {str(entry)[:60]!r}")
        if places and len(points) != len(places[0]):
            raise UsageError(f"{path}, entry {number}: {len(points)} keypoints; the first entry has {len(places[0])}")
        places.append(points)
    points_xy = np.stack(places)
    points_xy[(points_xy < 0).any(-1) | np.isnan(points_xy).any(-1)] = np.nan
    return points_xy[..., ::-1]
