"""Datasets of objects in Zero123++'s six views: an index of objects, and its split."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._splits import shuffle_rows, take_half
from harness.data.base import Dataset
from harness.ops.rig import ZERO123PLUS_ELEVATIONS
from harness.registry import knob


@dataclass(frozen=True)
class Objects:
    """A set of objects: names, the rows of each published list, a hash of all files that were read, the folder."""

    names: tuple[str, ...]
    lists: Mapping[str, NDArray[np.int64]]
    digest: str
    root: Path


@dataclass(frozen=True)
class ObjectData(Dataset):
    """A dataset of objects seen by six cameras, with a condition view.

    The published training list gives both `optimise` and `fit`, every second object of a fixed random order each, or
    all of it to both with ``share_train``; the published test list gives `test`.
    """

    views = 6
    root: str = knob("", "the dataset's folder; empty: its name in the folder HARNESS_DATA", path=True)
    side_px: int = knob(320, "side of a view in pixels", low=16, high=2048)
    version: str = knob("v1.2", "whose cameras: Zero123++ v1.1 or v1.2; both with a field of view of 30 degrees",
                        choices=tuple(ZERO123PLUS_ELEVATIONS))
    share_train: bool = knob(False, "optimise and fit on the same objects")

    has_condition = has_cameras = True

    @property
    def name(self) -> str:
        """The variant's name."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def read(self) -> Objects:
        """Return the index; raise UsageError naming the file that is missing or wrong. Called once per process."""

    @property
    def objects(self) -> Objects:
        """The index, read once for all datasets with the same knobs."""
        return _read(self)

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split's objects, in the same order on every machine."""
        kind = self._list_of(split)
        return self._take(shuffle_rows(self.objects.lists[kind], self.name, kind), split)

    def _list_of(self, split: str) -> str:
        """Return the name of the published list that a split takes its objects from."""
        return "test" if split == "test" else "train"

    def _take(self, rows: NDArray[np.int64], split: str) -> NDArray[np.int64]:
        """Return the part of its list that belongs to a split."""
        return rows if split == "test" or self.share_train else take_half(rows, split)

    def size(self, split: str) -> int:
        """Return the number of objects in a split."""
        return len(self._take(self.objects.lists[self._list_of(split)], split))

    def fingerprint(self) -> str:
        """Return a hash of the knobs and of all files that are read; the folder's path is not included."""
        knobs = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "root"}
        return hashlib.sha256(repr((self.name, knobs, self.objects.digest)).encode()).hexdigest()[:12]

    @property
    def camera_version(self) -> str:
        """The `version` knob."""
        return self.version


@lru_cache(maxsize=8)
def _read(data: ObjectData) -> Objects:
    return data.read()
