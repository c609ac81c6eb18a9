"""What a dataset gives: scenes, by split and index."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from harness.geometry import Cameras

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


class Dataset(ABC):
    """Scenes in splits that share none: optimise (no labels), fit (labels tie tokens to keypoints), test."""

    keypoint_names: tuple[str, ...]
    views: int

    @abstractmethod
    def scene(self, split: str, index: int) -> Scene:
        """Return scene ``index`` of ``split``: the same scene on every machine and in every trial."""

    @abstractmethod
    def size(self, split: str) -> int | None:
        """Return how many scenes the split has, None where there is no end."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash that changes when the scenes change."""

    @property
    def has_condition(self) -> bool | None:
        """Whether scenes have a condition image, None where only a scene tells."""
        return None

    @property
    def has_cameras(self) -> bool | None:
        """Whether scenes have cameras, None where only a scene tells."""
        return None


BASE = Dataset
