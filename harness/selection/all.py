"""Every token, in order: no choice at all."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from harness.selection._base import Selection
from harness.tensors import Maps


@dataclass(frozen=True)
class All(Selection):
    """Keeps every token."""

    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return 0 .. N - 1 for every view."""
        scenes, views, tokens = maps.shape[:3]
        return torch.arange(tokens, device=maps.device).expand(scenes, views, tokens)
