"""The interface of a selection: it chooses K of N tokens from their maps, without labels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from harness.ops.tensors import Maps


@dataclass(frozen=True)
class Selection(ABC):
    """Chooses K tokens for every view of every scene.

    >>> import torch
    >>> class Brightest(Selection):
    ...     def __call__(self, maps, spread, *, keypoints, sigma_px):
    ...         return maps.amax((-2, -1)).argsort(dim=-1, descending=True)[..., :keypoints]
    >>> maps = torch.zeros(1, 1, 3, 4, 4)
    >>> maps[0, 0, 2] = 1.0
    >>> Brightest()(maps, maps, keypoints=1, sigma_px=1.0)
    tensor([[[2]]])
    """

    @abstractmethod
    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return token indices; K is ``keypoints``, or N if that is smaller or every token is optimised.

        Args:
            maps: All tokens' maps, on which tokens are ranked; no gradient.
            spread: The warped copies' maps (or ``maps`` again), on which distances are measured; no gradient.
            keypoints: Number of tokens to choose.
            sigma_px: Spread of the target Gaussians in map pixels.
        """

    @property
    def keeping(self) -> "Selection":
        """The selection of the finally kept tokens: at most ``keypoints`` of them, without labels."""
        return self


BASE = Selection
