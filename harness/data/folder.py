"""Your own photographs: every image in a folder, with or without keypoints in an annotation file beside them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data._images import SUFFIXES, data_root, file_sizes, size_or_none, size_px
from harness.data._photos import Numbers, PhotoData, Photos
from harness.data.base import Rules
from harness.data.formats.annotations import Files, Point, checked
from harness.data.formats.find_annotations import FORMATS, read_annotations
from harness.data.formats.photo_folder import files_in
from harness.errors import UsageError
from harness.registry import knob

SOURCE = "wherever your photographs are"


@dataclass(frozen=True)
class Folder(PhotoData):
    """The images of a folder and its subfolders, with the keypoints of an annotation file if there is one.

    The file is our own table, ``keypoints.csv``, or COCO's, DeepLabCut's or LabelMe's. The table's columns are
    ``image`` (path in the folder), ``keypoint`` (a name), ``x``, ``y`` in pixels of the image after its EXIF rotation,
    from the top left corner, and optionally ``visible`` (1 or 0). A point is not annotated if it has no row, an empty
    or negative coordinate, 0, 0 with ``visible`` 0, or lies outside its image. The unit of errors is the longer side
    of the box around an image's annotated points, visible or not; with fewer than two points that of the image.
    ``crop: points`` cuts out this box, enlarged by a fifth on each side. Points that are not visible are not scored;
    without annotations PCK is left out.
    """

    labels_optional = True
    rules = Rules(normaliser="longer side of the box around the annotated points")

    test_share: float = knob(0.25, "share of the images that are kept for testing", low=0.0, high=0.9)
    crop: str = knob("image", "what is cut out: the whole image, or a square around its keypoints",
                     choices=("image", "points"))
    annotations: str = knob("", "the annotation file below the folder; empty: look for one")
    annotations_format: str = knob("auto", "its format; auto looks into the file", choices=FORMATS)

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names in the annotations, in order of appearance."""
        return self.photos.names

    def read(self) -> Photos:
        """Return the index; opens the header of an image if its size is needed."""
        root = data_root(self.name, self.root, SOURCE)
        files = tuple(files_in(root, SUFFIXES))
        if not files:
            raise UsageError(f"data folder {root}: no images in it ({', '.join(SUFFIXES)})")
        sizes = file_sizes(root, files, str(root))
        labels = checked(read_annotations(root, Files(root, files), self.annotations, self.annotations_format),
                         lambda file: size_or_none(root / file))
        places, visible = _arrays(files, labels.points, labels.names)
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
        return Photos(root, files, places, visible, boxes, normaliser, lists, tuple(sizes), labels.digest,
                      names=labels.names, remarks=labels.problems)


def _test_rows(files: tuple[str, ...], share: float) -> list[int]:
    """Return the test images: those whose names have the lowest hashes, so that a new image moves few others."""
    order = sorted(range(len(files)), key=lambda row: hashlib.sha256(files[row].encode()).digest())
    return order[: round(share * len(files))]


def _arrays(files: tuple[str, ...], points: Mapping[str, Mapping[str, Point]], names: tuple[str, ...]
            ) -> tuple[Numbers, Any]:
    """Return the points (M K 2), NaN where nobody annotated them, and which of them are visible (M K)."""
    columns = {name: k for k, name in enumerate(names)}
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
