"""How K of N tokens are chosen from their maps, without labels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from harness.ops.tensors import Maps


@dataclass(frozen=True)
class Selection(ABC):
    """Chooses K tokens for every view of every scene."""

    @abstractmethod
    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return token indices: ranked on ``maps`` (B V N H W), kept apart on ``spread`` (the warped copies' maps).

        Neither carries a gradient. K is ``keypoints``, or N where that is smaller or every token is optimised.
        """

    @property
    def keeping(self) -> "Selection":
        """Return what chooses the tokens that are kept in the end: at most ``keypoints`` of them, without labels."""
        return self


BASE = Selection
