"""Faces of CelebA and MAFL with five points, aligned or in the wild.

Liu et al.: Deep Learning Face Attributes in the Wild, ICCV 2015, mmlab.ie.cuhk.edu.hk/projects/CelebA.html, for
non-commercial research; MAFL: Zhang et al., ECCV 2014, mmlab.ie.cuhk.edu.hk/projects/TCDCN.html.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._images import data_root, demand, size_px, sizes
from harness.data._photos import PhotoData, Photos
from harness.data.base import Rules
from harness.data.formats.text_columns import demand_apart, demand_unique, listed, table
from harness.errors import UsageError
from harness.registry import knob

SOURCE = "mmlab.ie.cuhk.edu.hk/projects/CelebA.html, MAFL's lists from mmlab.ie.cuhk.edu.hk/projects/TCDCN.html"
POINTS = {"aligned": "Anno/list_landmarks_align_celeba.txt", "wild": "Anno/list_landmarks_celeba.txt"}
BOXES = "Anno/list_bbox_celeba.txt"
IMAGES = {"aligned": (("Img/img_align_celeba_png", ".png"), ("Img/img_align_celeba", ".jpg")),
          "wild": (("Img/img_celeba", ".jpg"),)}
LEAST_SHARE = 0.3  # of the image that a face's box has to cover in the wild
HEADER = 2  # lines: how many faces there are, and what the columns are


@dataclass(frozen=True)
class Celeba(PhotoData):
    """One face in an image; errors over the distance of the eyes.

    The root holds Anno/, Img/ and MAFL/{training,testing}.txt. Labels are always of MAFL's two lists. ``list`` celeba
    optimises on the faces of CelebA that are in neither, with ``share_train`` on all but those of the testing list. In
    the wild, faces whose box covers less than 0.3 of the image are left out, as the literature does; no file tells an
    image's size, so that the header of each listed image is read. The whole image is shown, in the smallest square that
    holds it, where the literature stretches it to a square. Points are read as pixels counted from 0, which the
    publisher does not say. A face whose eyes are not annotated, or are at one place, has no unit and is not scored.
    """

    protocol: str = knob("aligned", "faces turned and cut alike, or as photographed", choices=("aligned", "wild"))
    list: str = knob("mafl", "what tokens are optimised on: MAFL's training faces, or CelebA's others",
                     choices=("mafl", "celeba"))

    keypoint_names = ("left eye", "right eye", "nose", "left mouth", "right mouth")
    rules = Rules("distance of the eyes", official="inter_eye")

    def read(self) -> Photos:
        """Return the index; opens each listed image's header in the wild, none else."""
        root = data_root(self.name, self.root, SOURCE)
        demand(root, [POINTS[self.protocol], "MAFL/training.txt", "MAFL/testing.txt"], SOURCE)
        folder, suffix = self._images(root)
        ids, numbers = _annotated(root / POINTS[self.protocol], 11)
        place = {name: row for row, name in enumerate(ids)}
        test = _rows(root / "MAFL/testing.txt", place, self.protocol)
        train = _rows(root / "MAFL/training.txt", place, self.protocol)
        demand_apart([ids[row] for row in train], [ids[row] for row in test], str(root / "MAFL"))
        lists = {"train": train, "test": test}
        if self.list == "celeba":
            lists["unlabelled"] = np.setdiff1d(np.arange(len(ids)), test if self.share_train else [*train, *test])
        kept = np.unique(np.concatenate(list(lists.values())))
        files = [f"{folder}/{ids[row]}{suffix}" for row in kept]
        known = sizes(root, files, POINTS[self.protocol])
        shown = [*range(len(kept))] if self.protocol == "aligned" else _large(root, files, [ids[row] for row in kept])
        kept = kept[shown]
        lists = {name: np.flatnonzero(np.isin(kept, rows)) for name, rows in lists.items()}
        for name, rows in lists.items():
            if not len(rows):
                which = f" whose box covers {LEAST_SHARE:g} of its image" * (self.protocol == "wild")
                raise UsageError(f"{root / POINTS[self.protocol]}: the {name} list has no face{which}")
        points, visible, between = _points(numbers[kept])
        return Photos(root, tuple(files[row] for row in shown), points, visible,
                      np.full((len(kept), 4), np.nan, np.float32), between, lists, tuple(known[row] for row in shown))

    def _images(self, root: Path) -> tuple[str, str]:
        """Return the folder of the images and what their names end with; aligned ones come as PNG and as JPEG."""
        for folder, suffix in IMAGES[self.protocol]:
            if (root / folder).is_dir():
                return folder, suffix
        names = " or ".join(folder for folder, _ in IMAGES[self.protocol])
        raise UsageError(f"data folder {root}: {names} is missing; get it from {SOURCE}")


def _annotated(path: Path, columns: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names without suffix and the numbers of a file of annotations, which says how many there are."""
    numbers, names = table(path, columns, word=0, skip=HEADER)
    with path.open(encoding="utf-8-sig") as file:
        count = file.readline().strip()
    if count != str(len(names)):
        raise UsageError(f"{path}, line 1: says {count!r} faces, found {len(names)}; the file may be cut short")
    ids = [name.rpartition(".")[0] for name in names]
    odd = next((name for name, own in zip(names, ids, strict=True) if not own.isalnum()), None)
    if odd is not None:
        raise UsageError(f"{path}: {odd!r} is no image's name, such as 000001.jpg")
    demand_unique(ids, str(path))
    return ids, numbers


def _rows(path: Path, place: dict[str, int], protocol: str) -> NDArray[np.int64]:
    """Return the rows of the images that a list names, whatever their suffix there."""
    names = [name.partition(".")[0] for name in listed(path)]
    unknown = next((name for name in names if name not in place), None)
    if unknown is not None:
        raise UsageError(f"{path}: image {unknown!r} is not in {POINTS[protocol]}")
    demand_unique(names, str(path))
    return np.array([place[name] for name in names], dtype=np.int64)


def _large(root: Path, files: Sequence[str], ids: Sequence[str]) -> list[int]:
    """Return which images have boxes that cover LEAST_SHARE of them, by their place here."""
    path = root / BOXES
    demand(root, [BOXES], SOURCE)
    known, boxes = _annotated(path, 5)
    area = dict(zip(known, (boxes[:, 2] * boxes[:, 3]).tolist(), strict=True))
    unknown = next((name for name in ids if name not in area), None)
    if unknown is not None:
        raise UsageError(f"{path}: image {unknown!r} has no box")
    return [place for place, (file, name) in enumerate(zip(files, ids, strict=True))
            if area[name] >= LEAST_SHARE * math.prod(size_px(root / file))]


def _points(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Return points (M 5 row, column), which are visible, and the distance of the eyes, 1 where there is none."""
    points = numbers.reshape(-1, 5, 2)[..., ::-1]
    visible = np.asarray((np.isfinite(points) & (points >= 0)).all(-1))
    points = np.where(visible[..., None], points + 0.5, np.nan)
    between = np.linalg.norm(points[:, 0] - points[:, 1], axis=-1)
    known = between > 0
    return (points.astype(np.float32), visible & known[:, None], np.where(known, between, 1.0).astype(np.float32))
