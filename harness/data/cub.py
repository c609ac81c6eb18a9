"""Birds of CUB-200-2011 with 15 parts, as published, as CMR cleaned it, or as AutoLink cut it.

Wah et al.: The Caltech-UCSD Birds-200-2011 Dataset, 2011, www.vision.caltech.edu/datasets/cub_200_2011, for
non-commercial research; CMR: Kanazawa et al., ECCV 2018, github.com/akanazawa/cmr; AutoLink: He et al., NeurIPS 2022.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import data_root, file_sizes
from harness.data._photos import PhotoData, Photos
from harness.data.base import Rules
from harness.data.formats import cub_h5, cub_mat, cub_text
from harness.errors import UsageError
from harness.registry import knob

SOURCES = {
    "raw": "www.vision.caltech.edu/datasets/cub_200_2011",
    "cmr": "www.vision.caltech.edu/datasets/cub_200_2011 and, for cachedir/, github.com/akanazawa/cmr (issue 3)",
    "aligned": "AutoLink's preprocessing, github.com/xingzhehe/AutoLink-Self-supervised-Learning-of-Human-Skeletons-"
               "and-Object-Outlines-by-Linking-Keypoints",
}


@dataclass(frozen=True)
class Cub(PhotoData):
    """One bird per image, cut square around its box. PCK is in units of the box, StableKeypoints' scores of the image.

    ``layout`` raw: images.txt and the files beside it, in the root or in its folder CUB_200_2011. cmr: also
    data/{train,val,test}_cub_cleaned.mat in cachedir/cub, beside or inside CUB_200_2011; structure-from-motion files
    are not needed. aligned: cub.h5 alone. Both axes are scaled by the same factor, but cub.h5 holds stretched images.
    Pixels are counted from 1 in the files of raw and cmr.
    """

    layout: str = knob("raw", "as published, as CMR cleaned it, or as AutoLink cut it",
                       choices=("raw", "cmr", "aligned"))
    subset: str = knob("all", "every class, or one of the first three", choices=("all", "001", "002", "003"))
    normaliser: str = knob("bbox", "errors in longer sides of the box, or in sides of the cut image",
                           choices=("bbox", "image"))
    margin: float = knob(0.05, "added around the box on each side, in its longer sides; aligned: none",
                         low=0.0, high=2.0)

    keypoint_names = ("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing",
                      "nape", "right eye", "right leg", "right wing", "tail", "throat")

    @property
    def rules(self) -> Rules:
        """PCK in units of the box or of the cut image; the literature's own measure always in those of the image."""
        by_box = self.normaliser == "bbox" and self.layout != "aligned"
        return Rules("longer side of the bird's box" if by_box else "side of the cut image", official="visible")

    def read(self) -> Photos:
        """Return the index; no image is opened."""
        source = SOURCES[self.layout]
        root = data_root(self.name, self.root, source)
        if self.layout == "aligned":
            return cub_h5.read(root, self.subset, len(self.keypoint_names), source)
        folder = root / "CUB_200_2011"
        folder = folder if folder.is_dir() else root
        parts = len(self.keypoint_names)
        if self.layout == "raw":
            return self._photos(folder, str(folder / "images.txt"), *cub_text.read(folder, parts, source))
        cache = next((place for place in (folder / "cachedir" / "cub", root / "cachedir" / "cub") if place.is_dir()),
                     folder / "cachedir" / "cub")
        return self._photos(folder, str(cache / "data"), *cub_mat.read(folder, cache, parts, source))

    def path(self, row: int) -> Path:
        """Return the file that holds an image."""
        return self.photos.root / cub_h5.NAME if self.layout == "aligned" else super().path(row)

    def image(self, row: int) -> Image.Image:
        """Return an image; raise UsageError naming a file that cannot be read."""
        if self.layout == "aligned":
            return cub_h5.image(self.path(row), self.photos.files[row])
        return super().image(row)

    def _photos(self, folder: Path, listed_in: str, files: list[str], points: NDArray[np.float64],
                boxes: NDArray[np.float64], classes: NDArray[np.int64], lists: dict[str, NDArray[np.bool_]]) -> Photos:
        """Return the subset's index from points (M K x, y, visible) and boxes (M x1, y1, x2, y2), counted from 1."""
        kept = np.ones(len(files), bool) if self.subset == "all" else classes == int(self.subset)
        names = tuple(files[row] for row in np.flatnonzero(kept))
        lists = {name: members[kept] for name, members in lists.items()}
        for name in ("train", "test"):
            if not lists[name].any():
                raise UsageError(f"{listed_in}: the {name} list has no image of subset {self.subset!r}")
        left, top, right, bottom = (boxes[kept] - np.array([1, 1, 0, 0])).T
        longer_side = np.maximum(right - left, bottom - top)
        wrong = ~((right > left) & (bottom > top))
        if wrong.any():
            raise UsageError(f"{listed_in}: the box of {names[int(np.flatnonzero(wrong)[0])]!r} holds no pixel")
        side = longer_side * (1 + 2 * self.margin)
        middle = np.stack((top + bottom, left + right), axis=-1) / 2
        squares = np.concatenate((middle - side[:, None] / 2, middle + side[:, None] / 2), axis=-1)
        points_yx = points[kept][..., 1::-1]
        visible = (points[kept][..., 2] > 0) & np.isfinite(points_yx).all(-1) & (points_yx >= 0).all(-1)
        return Photos(
            folder, names, np.where(visible[..., None], points_yx - 0.5, np.nan).astype(np.float32), visible,
            squares.astype(np.float32), (longer_side if self.normaliser == "bbox" else side).astype(np.float32),
            {name: np.flatnonzero(members) for name, members in lists.items()},
            tuple(file_sizes(folder, names, listed_in)),
        )
