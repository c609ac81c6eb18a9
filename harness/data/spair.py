"""SPair-71k: 1,800 photographs of 18 kinds of things, a category at a time, with its own keypoints.

Layout as published: ``Layout/large/{trn,val,test}.txt`` lists pairs ``<id>-<source>-<target>:<category>``,
``ImageAnnotation/<category>/<name>.json`` holds an image's ``kps`` (id to [x, y], null where not visible) and
``bndbox`` [x1, y1, x2, y2], ``JPEGImages/<category>/<name>.jpg`` the image. ``PairAnnotation`` repeats both and is not
read.

Protocol: the published task asks for the point of a target image that matches a point of a source image. Tokens locate
parts without a source point. They are trained, and assigned to keypoint ids, on the images of the category's `trn`
pairs, and scored on those of its `test` pairs, each image once. So the scores compare with those of other keypoint
detectors, not with those of matching. Every keypoint that an image shows is scored, not only those shared by a pair.

The model sees the whole image, in a grey square. The unit of errors is max(x2 - x1, y2 - y1) of the object's box in
pixels of the file, as in the published threshold. Points count pixels 0, 1, 2 ...: the authors do not say so, but
evaluation code compares them with indices of feature maps (Tang et al. 2023, DIFT).

Min et al. 2019, arXiv 1908.10543; https://cvlab.postech.ac.kr/research/SPair-71k/
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._images import data_root, file_sizes, path_inside, require_files
from harness.data._photos import PhotoData, Photos
from harness.data.base import Rules
from harness.data.formats.json_labels import parse_json, parse_lines, read_bytes
from harness.errors import UsageError
from harness.registry import knob

SOURCE = "https://cvlab.postech.ac.kr/research/SPair-71k/"
CATEGORIES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dog", "horse",
              "motorbike", "person", "pottedplant", "sheep", "train", "tvmonitor")
LISTS = {"train": "trn", "val": "val", "test": "test"}


@dataclass(frozen=True)
class Spair(PhotoData):
    """The images of one category of SPair-71k: those of its `trn` pairs to train on, of its `test` pairs to test on."""

    category: str = knob("cat", "what is in the images", choices=CATEGORIES)

    rules = Rules(normaliser="longer side of the object's bounding box", by_image=True)

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The ids of the category's keypoints, as in the annotation files."""
        return _index(self)[1]

    def read(self) -> Photos:
        """Return the index; reads the annotation file of each of the category's 100 images."""
        return _index(self)[0]


@lru_cache(maxsize=8)
def _index(data: Spair) -> tuple[Photos, tuple[str, ...]]:
    root, digest = data_root(data.name, data.root, SOURCE), hashlib.sha256()
    require_files(root, ("Layout/large", f"ImageAnnotation/{data.category}", f"JPEGImages/{data.category}"), SOURCE)
    images = {name: _listed(root, file, data.category) for name, file in LISTS.items()}
    for name in sorted(set(images["train"]) & set(images["test"])):
        raise UsageError(f"{root / 'Layout/large'}: image {name!r} ({data.category}) is in both trn.txt and test.txt")
    names = sorted({name for list_names in images.values() for name in list_names})
    annotations = [_annotation(root / f"ImageAnnotation/{data.category}/{name}.json", digest) for name in names]
    keypoints = sorted({keypoint for points_xy, _ in annotations for keypoint in points_xy})
    if not keypoints:
        raise UsageError(f"{root / 'ImageAnnotation' / data.category}: no image shows a keypoint")
    points = np.full((len(names), len(keypoints), 2), np.nan, np.float32)
    for row, (points_xy, _) in enumerate(annotations):
        for keypoint, (x, y) in points_xy.items():
            points[row, keypoints.index(keypoint)] = (y + 0.5, x + 0.5)
    boxes = np.array([box for _, box in annotations], np.float32)
    files = tuple(f"JPEGImages/{data.category}/{name}.jpg" for name in names)
    rows = {name: row for row, name in enumerate(names)}
    return Photos(
        root, files, points, ~np.isnan(points[..., 0]), np.full((len(names), 4), np.nan, np.float32),
        np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]),
        lists={key: np.array([rows[name] for name in list_names], np.int64) for key, list_names in images.items()},
        sizes=tuple(file_sizes(root, files, "Layout/large")), labels=digest.hexdigest(),
    ), tuple(map(str, keypoints))


def _listed(root: Path, file: str, category: str) -> list[str]:
    """Return the names of the images in the category's pairs of one list, each once."""
    path = root / f"Layout/large/{file}.txt"
    names: set[str] = set()
    for line, pair in enumerate(parse_lines(read_bytes(path, SOURCE), path), start=1):
        stem, _, kind = pair.rpartition(":")
        parts = stem.split("-")
        if pair and (len(parts) != 3 or kind not in CATEGORIES):
            raise UsageError(f"{path}, line {line}: {pair!r}: expected <id>-<source>-<target>:<category>")
        if kind == category:
            names.update(path_inside(root, name, f"{path}, line {line}") for name in parts[1:])
    if not names:
        raise UsageError(f"{path}: has no pair of category {category!r}")
    return sorted(names)


def _annotation(path: Path, digest: Any) -> tuple[dict[int, tuple[float, float]], list[float]]:
    """Return an image's visible points (x, y) by keypoint id, and its box (x1, y1, x2, y2); updates the digest."""
    content = read_bytes(path, SOURCE)
    digest.update(path.name.encode() + content)
    annotation = parse_json(content, path)
    if not (isinstance(annotation, dict) and isinstance(annotation.get("kps"), dict) and "bndbox" in annotation):
        raise UsageError(f"{path}: needs kps, an object of points by id, and bndbox")
    box = _numbers(annotation["bndbox"], 4, f"{path}, bndbox")
    if not (box[2] > box[0] and box[3] > box[1] and all(map(math.isfinite, box))):
        raise UsageError(f"{path}, bndbox: {annotation['bndbox']} is no box x1, y1, x2, y2")
    points = {}
    for keypoint, place in annotation["kps"].items():
        if not keypoint.isdecimal() or len(keypoint) > 9:
            raise UsageError(f"{path}, kps: {keypoint!r} is no keypoint's id")
        x, y = (-1.0, -1.0) if place is None else _numbers(place, 2, f"{path}, kps {keypoint}")
        if min(x, y) >= 0:  # NaN and -1 mean "not visible", like null
            points[int(keypoint)] = (x, y)
    return points, box


def _numbers(value: Any, count: int, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != count or any(type(item) not in (int, float) for item in value):
        raise UsageError(f"{where}: {value!r}: expected {count} numbers")
    return [float(item) for item in value]
