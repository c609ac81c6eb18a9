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

from harness.data._images import data_root, file_sizes, require_files, size_px
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
LEAST_SHARE = 0.3  # of the image that a face's box must cover in the wild
HEADER = 2  # lines: the number of faces, and the names of the columns


@dataclass(frozen=True)
class Celeba(PhotoData):
    """One face per image; the unit of errors is the distance between the eyes.

    The root holds Anno/, Img/ and MAFL/{training,testing}.txt. Labels always come from MAFL's two lists. ``list``
    celeba optimises on the faces of CelebA that are in neither, with ``share_train`` on all but those of the testing
    list. In the wild, faces whose box covers less than 0.3 of the image are left out as in the literature; no file
    holds the images' sizes, so the header of each listed image is read. The whole image is shown, in the smallest
    square around it; the literature stretches it to a square. Points are taken as pixels counted from 0, which the
    publisher does not say. A face without annotated eyes, or with both at one place, has no unit and is not scored.
    """

    protocol: str = knob("aligned", "faces turned and cut alike, or as photographed", choices=("aligned", "wild"))
    list: str = knob("mafl", "what tokens are optimised on: MAFL's training faces, or CelebA's others",
                     choices=("mafl", "celeba"))

    keypoint_names = ("left eye", "right eye", "nose", "left mouth", "right mouth")
    rules = Rules("distance of the eyes", official="inter_eye")

    def read(self) -> Photos:
        """Return the index; opens the header of each listed image in the wild, no file of aligned ones."""
        root = data_root(self.name, self.root, SOURCE)
        require_files(root, [POINTS[self.protocol], "MAFL/training.txt", "MAFL/testing.txt"], SOURCE)
        folder, suffix = self._images(root)
        ids, numbers = _read_table(root / POINTS[self.protocol], 11)
        row_of = {name: row for row, name in enumerate(ids)}
        test = _rows(root / "MAFL/testing.txt", row_of, self.protocol)
        train = _rows(root / "MAFL/training.txt", row_of, self.protocol)
        demand_apart([ids[row] for row in train], [ids[row] for row in test], str(root / "MAFL"))
        lists = {"train": train, "test": test}
        if self.list == "celeba":
            lists["unlabelled"] = np.setdiff1d(np.arange(len(ids)), test if self.share_train else [*train, *test])
        kept = np.unique(np.concatenate(list(lists.values())))
        files = [f"{folder}/{ids[row]}{suffix}" for row in kept]
        sizes = file_sizes(root, files, POINTS[self.protocol])
        used = [*range(len(kept))] if self.protocol == "aligned" else _large(root, files, [ids[row] for row in kept])
        kept = kept[used]
        lists = {name: np.flatnonzero(np.isin(kept, rows)) for name, rows in lists.items()}
        for name, rows in lists.items():
            if not len(rows):
                which = f" whose box covers {LEAST_SHARE:g} of its image" * (self.protocol == "wild")
                raise UsageError(f"{root / POINTS[self.protocol]}: the {name} list has no face{which}")
        points, visible, distance = _points(numbers[kept])
        return Photos(root, tuple(files[row] for row in used), points, visible,
                      np.full((len(kept), 4), np.nan, np.float32), distance, lists, tuple(sizes[row] for row in used))

    def _images(self, root: Path) -> tuple[str, str]:
        """Return the folder and the suffix of the images; aligned ones come as PNG and as JPEG."""
        for folder, suffix in IMAGES[self.protocol]:
            if (root / folder).is_dir():
                return folder, suffix
        names = " or ".join(folder for folder, _ in IMAGES[self.protocol])
        raise UsageError(f"data folder {root}: {names} is missing; get it from {SOURCE}")


def _read_table(path: Path, columns: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return names without suffix and numbers of an annotation file; its first line must be their count."""
    numbers, names = table(path, columns, word=0, skip=HEADER)
    with path.open(encoding="utf-8-sig") as file:
        count = file.readline().strip()
    if count != str(len(names)):
        raise UsageError(f"{path}, line 1: says {count!r} faces, found {len(names)}; the file may be cut short")
    ids = [name.rpartition(".")[0] for name in names]
    odd = next((name for name, stem in zip(names, ids, strict=True) if not stem.isalnum()), None)
    if odd is not None:
        raise UsageError(f"{path}: {odd!r} is not an image name, such as 000001.jpg")
    demand_unique(ids, str(path))
    return ids, numbers


def _rows(path: Path, row_of: dict[str, int], protocol: str) -> NDArray[np.int64]:
    """Return the rows of the images in a list, which may name them with any suffix."""
    names = [name.partition(".")[0] for name in listed(path)]
    unknown = next((name for name in names if name not in row_of), None)
    if unknown is not None:
        raise UsageError(f"{path}: image {unknown!r} is not in {POINTS[protocol]}")
    demand_unique(names, str(path))
    return np.array([row_of[name] for name in names], dtype=np.int64)


def _large(root: Path, files: Sequence[str], ids: Sequence[str]) -> list[int]:
    """Return the indices of the images whose box covers LEAST_SHARE of them."""
    path = root / BOXES
    require_files(root, [BOXES], SOURCE)
    names, boxes = _read_table(path, 5)
    area = dict(zip(names, (boxes[:, 2] * boxes[:, 3]).tolist(), strict=True))
    unknown = next((name for name in ids if name not in area), None)
    if unknown is not None:
        raise UsageError(f"{path}: image {unknown!r} has no box")
    return [i for i, (file, name) in enumerate(zip(files, ids, strict=True))
            if area[name] >= LEAST_SHARE * math.prod(size_px(root / file))]


def _points(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Return points (M 5 row, column), their visibility, and the distance between the eyes, 1 if there is none."""
    points = numbers.reshape(-1, 5, 2)[..., ::-1]
    visible = np.asarray((np.isfinite(points) & (points >= 0)).all(-1))
    points = np.where(visible[..., None], points + 0.5, np.nan)
    distance = np.linalg.norm(points[:, 0] - points[:, 1], axis=-1)
    scored = distance > 0
    return (points.astype(np.float32), visible & scored[:, None], np.where(scored, distance, 1.0).astype(np.float32))
