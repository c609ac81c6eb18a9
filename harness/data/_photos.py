"""Datasets of single annotated photographs: a compact index, and the conversion of a photograph to a scene."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import open_rgb, size_px, square_around
from harness.data._splits import shuffle_rows, take_half
from harness.data.base import Dataset, Survey
from harness.errors import UsageError
from harness.registry import knob

if TYPE_CHECKING:
    import harness.data._scene

NO_KEYPOINTS = "no keypoints: that is allowed; PCK and every other score against keypoints is left out"
Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Photos:
    """The annotations of M photographs in arrays: 100,000 photographs need megabytes.

    Coordinates are pixels of the file after its EXIF rotation, measured from the image's corner: the centre of the
    first pixel is at 0.5. Points without annotation are NaN and not visible. ``boxes_px`` are the (top, left, bottom,
    right) that are cut out, NaN for the whole image. ``normaliser_px`` is the unit of errors. ``lists`` holds the rows
    of each list that the dataset publishes. ``sizes`` are the files' sizes in bytes.
    """

    root: Path
    files: tuple[str, ...]
    points_yx_px: Numbers  # M K 2
    visible: NDArray[np.bool_]  # M K
    boxes_px: Numbers  # M 4
    normaliser_px: Numbers  # M
    lists: Mapping[str, NDArray[np.int64]]
    sizes: tuple[int, ...]
    labels: str = ""  # hash of the annotation files
    captions: Mapping[int, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()  # of the keypoints, if the annotations alone name them
    remarks: tuple[str, ...] = ()  # for the user: points outside their image, and the like


@dataclass(frozen=True)
class Label:
    """The annotations of one photograph, as in `Photos`."""

    points_yx_px: Numbers  # K 2
    visible: NDArray[np.bool_]  # K
    box_px: Numbers  # 4
    normaliser_px: float


@dataclass(frozen=True)
class PhotoData(Dataset):
    """A dataset of single photographs, each cut to a square and scaled alike on both axes.

    The published training list gives both `optimise` and `fit`, every second photograph of a fixed random order each,
    or all of it to both with ``share_train``; the published test list gives `test`. If the index has a list
    "unlabelled", this list is `optimise`, and all of the training list is `fit`.
    """

    views = 1
    labels_optional = False  # True: a photograph without keypoints is no fault of the data
    root: str = knob("", "the dataset's folder; empty: its name in the folder HARNESS_DATA", path=True)
    side_px: int = knob(512, "side of the square that the model sees, in pixels", low=16, high=2048)
    share_train: bool = knob(False, "optimise and fit on the same photographs, as StableKeypoints does")

    has_condition = has_cameras = False

    @property
    def name(self) -> str:
        """The variant's name."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def read(self) -> Photos:
        """Return the index; raise UsageError naming the file that is missing or wrong. Called once per process."""

    @property
    def photos(self) -> Photos:
        """The index, read once for all datasets with the same knobs."""
        return _read(self)

    @lru_cache(maxsize=32)  # noqa: B019  equal datasets share the result
    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split's photographs, in the same order on every machine."""
        name = self._list_of(split)
        return self._take(shuffle_rows(self.photos.lists[name], self.name, name), split)

    def _list_of(self, split: str) -> str:
        """Return the name of the published list that a split takes its photographs from."""
        if split == "test":
            return "test"
        return "unlabelled" if split == "optimise" and "unlabelled" in self.photos.lists else "train"

    def _take(self, rows: NDArray[np.int64], split: str) -> NDArray[np.int64]:
        """Return the part of its list that belongs to a split."""
        takes_all = split == "test" or self.share_train or "unlabelled" in self.photos.lists
        return rows if takes_all else take_half(rows, split)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Odd annotations, in words."""
        return self.photos.remarks

    def size(self, split: str) -> int:
        """Return how many photographs the split has."""
        return len(self._take(self.photos.lists[self._list_of(split)], split))

    @lru_cache(maxsize=8)  # noqa: B019  equal datasets share the result
    def fingerprint(self) -> str:
        """Return a hash of knobs, annotations, and the files' names and sizes; the folder's path is not included."""
        photos, digest = self.photos, hashlib.sha256()
        digest.update(repr((self.name, self.side_px, self.share_train, photos.labels)).encode())
        for column in (photos.points_yx_px, photos.visible, photos.boxes_px, photos.normaliser_px):
            digest.update(np.ascontiguousarray(column).tobytes())
        for name, rows in sorted(photos.lists.items()):
            digest.update(name.encode() + rows.tobytes())
        for name, size in zip(photos.files, photos.sizes, strict=True):
            digest.update(f"{name}:{size}\n".encode())
        return digest.hexdigest()[:12]

    def survey(self) -> Survey:
        """Return counts of photographs and visible keypoints, and the photographs that cannot be opened."""
        photos, errors, visible, bare = self.photos, [], 0, 0
        for row in range(len(photos.files)):
            try:
                self.image(row)
                count = int(_usable(self.label(row)).sum())
            except UsageError as error:
                errors.append(str(error))
                continue
            visible, bare = visible + count, bare + (count == 0)
        keypoints, opened = len(self.keypoint_names), max(1, len(photos.files) - len(errors))
        found = (f"{len(photos.files)} photographs in {photos.root}, {sum(photos.sizes) / 2**20:.0f} MB",
                 *(f"published list {name!r}: {len(rows)}" for name, rows in photos.lists.items()),
                 *super().survey().found,
                 f"{keypoints} keypoints, {visible / max(1, keypoints * opened):.0%} of them visible; errors in: "
                 f"{self.rules.normaliser}" if keypoints else NO_KEYPOINTS)
        without = [f"{bare} photographs show no keypoint"] if bare and keypoints else []
        if self.labels_optional:
            found += tuple(f"{line}: that is allowed, they are not scored" for line in without)
            without = []
        return Survey(found, (*errors, *photos.remarks, *without))

    def path(self, row: int) -> Path:
        """Return the file that holds a photograph."""
        return self.photos.root / self.photos.files[row]

    def image(self, row: int) -> Image.Image:
        """Return a photograph; raise UsageError naming a file that cannot be read."""
        return open_rgb(self.path(row))

    def label(self, row: int) -> Label:
        """Return a photograph's annotations; a dataset whose index holds no points reads them here."""
        photos = self.photos
        return Label(photos.points_yx_px[row], photos.visible[row], photos.boxes_px[row],
                     float(photos.normaliser_px[row]))

    def stamp(self, split: str, index: int) -> str:
        """Return the size and time of change of the scene's file."""
        state = self.path(int(self.rows(split)[index])).stat()
        return f"{state.st_size}:{state.st_mtime_ns}"

    def scene(self, split: str, index: int) -> "harness.data._scene.Scene":
        """Return a photograph as a scene of one view."""
        import torch

        from harness.data._pixels import cut_square
        from harness.data._scene import Scene

        photos, row = self.photos, int(self.rows(split)[index])
        label = self.label(row)
        box = label.box_px
        if np.isnan(box).any():
            rows, columns = size_px(self.path(row))
            box = np.array([0, 0, rows, columns], np.float32)
        square = square_around(box)
        top, left, side = square
        points = torch.from_numpy((label.points_yx_px - np.array([top, left])) / side).float()
        return Scene(
            name=f"{self.name}/{photos.files[row]}",
            views=cut_square(self.image(row), square, self.side_px)[None], condition=None,
            points_yx=points.nan_to_num(nan=0.5)[None], visible=torch.from_numpy(_usable(label))[None],
            normaliser_px=torch.tensor([label.normaliser_px * self.side_px / side]),
            caption=photos.captions.get(row, ""),
        )


def scale_label(label: Label, path: Path, side: int) -> Label:
    """Return a label, given for an image ``side`` wide and high, in pixels of its file; reads the file's header.

    Raises UsageError naming a labelled image that is not square: the place of its points is unknown.
    """
    rows, columns = size_px(path)
    if rows != columns and label.visible.any():
        raise UsageError(f"image {path}: {columns} x {rows} px, but its keypoints are those of a square image")
    factor = max(rows, columns) / side
    return Label(label.points_yx_px * factor, label.visible, label.box_px * factor, label.normaliser_px * factor)


def _usable(label: Label) -> NDArray[np.bool_]:
    """Return which points (K) are visible and have coordinates."""
    usable: NDArray[np.bool_] = label.visible & np.isfinite(label.points_yx_px).all(-1)
    return usable


@lru_cache(maxsize=8)
def _read(data: PhotoData) -> Photos:
    return data.read()
