"""The interface of datasets: `Dataset` returns a `Scene` for each split and index."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import harness.data._scene
    from harness.data._scene import Scene

__all__ = ["BASE", "SPLITS", "Dataset", "Rules", "Scene", "Survey"]

SPLITS = ("optimise", "fit", "test")


@dataclass(frozen=True)
class Rules:
    """The error measures of a dataset.

    ``normaliser`` is the meaning of `Scene.normaliser_px` in words. ``official`` is the error measure of the dataset's
    literature beside PCK, a key of `harness.method.metrics.official.MEASURES`, "" for none. ``mirror`` is the index of
    each keypoint's counterpart on the other side, if left and right cannot be distinguished, else empty. ``by_image``
    adds PCK averaged over images to PCK over all points.
    """

    normaliser: str = "longer side of the bounding box"
    official: str = ""
    mirror: tuple[int, ...] = ()
    by_image: bool = False


@dataclass(frozen=True)
class Survey:
    """The state of a dataset on disk: lines about its content, and lines about missing or damaged files."""

    found: tuple[str, ...]
    missing: tuple[str, ...] = ()


class Dataset(ABC):
    """Scenes in disjoint splits: optimise (no labels), fit (labels assign tokens to keypoints), test.

    A dataset is a frozen dataclass in a file of this folder; the file's name is its name in YAML, its fields are knobs.

    Example:
        >>> from harness.data.figures import Figures
        >>> data = Figures(family="bird", keypoints="joints")
        >>> data.size("test") is None, data.keypoint_names[:2], data.has_cameras
        (True, ('head top', 'beak tip'), True)
    """

    keypoint_names: tuple[str, ...]
    views: int

    @property
    def rules(self) -> Rules:
        """The error measures."""
        return Rules()

    @abstractmethod
    def scene(self, split: str, index: int) -> "harness.data._scene.Scene":
        """Return scene ``index`` of ``split``, the same on every machine; raise UsageError naming a damaged file."""

    @abstractmethod
    def size(self, split: str) -> int | None:
        """Return the number of scenes in a split, None if it is endless."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash that changes whenever the scenes change."""

    def stamp(self, split: str, index: int) -> str:
        """Return text that changes when the scene's files change, such as their times of change; "" without files."""
        return ""

    def survey(self) -> Survey:
        """Check every file and return what was found and what is missing; raise UsageError if there is no file."""
        return Survey(tuple(f"{split}: {_count(self.size(split))} of {self.views} view{'s' * (self.views > 1)}"
                            for split in SPLITS))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a run should say of the data before it starts, a sentence each; scores are valid all the same."""
        return ()

    @property
    def has_condition(self) -> bool | None:
        """Whether scenes have a condition image; None if it depends on the scene."""
        return None

    @property
    def has_cameras(self) -> bool | None:
        """Whether scenes have cameras; None if it depends on the scene."""
        return None

    @property
    def camera_version(self) -> str:
        """The release of Zero123++ whose six cameras see the scenes; "" for other cameras or none."""
        return ""


def _count(size: int | None) -> str:
    return "as many scenes as asked for," if size is None else f"{size} scene{'s' * (size != 1)}"


BASE = Dataset


if not TYPE_CHECKING:
    def __getattr__(name: str) -> type:
        """Import `Scene` when it is first used: a dataset's knobs, lists and fingerprint need no PyTorch."""
        if name != "Scene":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from harness.data._scene import Scene

        return Scene
