"""What a base model gives: a frozen diffusion model opened from a folder or a hub name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from harness.models.pipelines.diffusion import Diffusion


@dataclass(frozen=True)
class Model(ABC):
    """A base model's name and where its weights are."""

    @abstractmethod
    def open(self, precision: str, device: str) -> Diffusion:
        """Load the weights, frozen, in the arithmetic that ``precision`` names."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash of the weights and their configuration, without loading them."""

    def up_layers(self) -> int | None:
        """Return how many cross-attention layers the up path has, None where only opening the model tells."""
        return None

    def side_multiple(self) -> int | None:
        """Return what a view's side in pixels must be a multiple of, None where only opening the model tells."""
        return None

    @property
    def cameras(self) -> str:
        """The release of Zero123++ whose six cameras the model paints from; "" where it knows none."""
        return ""

    @property
    def needs_condition(self) -> bool:
        """Whether the view pass paints from a condition image."""
        return False

    def keypoints_need_condition(self, concat: bool) -> bool:
        """Return whether the keypoint pass looks at the condition image; ``concat``: its tokens follow the text."""
        return False

    @property
    def needs_canvas(self) -> bool:
        """Whether the view pass paints all views on one canvas, whatever the trial's setting."""
        return False


BASE = Model
