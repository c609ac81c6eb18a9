"""What a dataset gives: scenes, by split and index."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from harness.ops.geometry import Cameras

SPLITS = ("optimise", "fit", "test")


@dataclass(frozen=True)
class Scene:
    """One object: its views, and what is known about them."""

    name: str
    views: Float[Tensor, "V 3 h w"]
    condition: Float[Tensor, "3 h w"] | None
    points_yx: Float[Tensor, "V K 2"]
    visible: Bool[Tensor, "V K"]
    normaliser_px: Float[Tensor, "V"]
    cameras: Cameras | None = None
    points_xyz: Float[Tensor, "K 3"] | None = None
    caption: str = ""
    masks: Bool[Tensor, "V M h w"] | None = None


@dataclass(frozen=True)
class Rules:
    """How a dataset's errors are measured, and by what else than PCK its literature does.

    ``normaliser`` says in words what `Scene.normaliser_px` is. ``official`` names the literature's own error measure, a
    key of `harness.method.metrics.official.MEASURES`, empty where PCK is all there is. ``mirror`` gives each keypoint's
    counterpart on the other side for data where left and right cannot be told apart, and is empty elsewhere.
    ``by_image`` asks for PCK averaged image by image as well, beside PCK over all points.
    """

    normaliser: str = "longer side of the bounding box"
    official: str = ""
    mirror: tuple[int, ...] = ()
    by_image: bool = False


@dataclass(frozen=True)
class Survey:
    """What is there of a dataset: lines about what was found, and lines about what is missing or odd."""

    found: tuple[str, ...]
    missing: tuple[str, ...] = ()


class Dataset(ABC):
    """Scenes in splits that share none: optimise (no labels), fit (labels tie tokens to keypoints), test."""

    keypoint_names: tuple[str, ...]
    views: int

    @property
    def rules(self) -> Rules:
        """How errors are measured."""
        return Rules()

    @abstractmethod
    def scene(self, split: str, index: int) -> Scene:
        """Return scene ``index`` of ``split``: the same scene on every machine and in every trial."""

    @abstractmethod
    def size(self, split: str) -> int | None:
        """Return how many scenes the split has, None where there is no end."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash that changes when the scenes change."""

    def stamp(self, split: str, index: int) -> str:
        """Return what changes when the scene's files do, such as their times of change; "" where there are no files."""
        return ""

    def survey(self) -> Survey:
        """Return what is there and what is missing, having looked at every file; raise UsageError where none is."""
        return Survey(tuple(f"{split}: {_count(self.size(split))} of {self.views} view{'s' * (self.views > 1)}"
                            for split in SPLITS))

    @property
    def has_condition(self) -> bool | None:
        """Whether scenes have a condition image, None where only a scene tells."""
        return None

    @property
    def has_cameras(self) -> bool | None:
        """Whether scenes have cameras, None where only a scene tells."""
        return None

    @property
    def camera_version(self) -> str:
        """The release of Zero123++ whose six cameras see the scenes; "" for other cameras, or none."""
        return ""


def _count(size: int | None) -> str:
    return "as many scenes as asked for," if size is None else f"{size} scene{'s' * (size != 1)}"


BASE = Dataset
