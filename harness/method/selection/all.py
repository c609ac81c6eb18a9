"""Every token while tokens are optimised; what is kept in the end is chosen as `gaussian_fps` does.

Were all of N tokens kept, labels would choose among them where keypoints are tied, which flatters.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from harness.method.selection.base import Selection
from harness.ops.maps import DIVERGENCES
from harness.ops.tensors import Maps
from harness.registry import build, knob


@dataclass(frozen=True)
class All(Selection):
    """Gives every token to the losses."""

    candidates: int = knob(25, "best-ranked tokens that the choice of those kept sees", low=2, high=100_000)
    divergence: str = knob("softmax", "a map as a distribution in that choice: softmax or divided by its sum",
                           choices=DIVERGENCES)

    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return 0 .. N - 1 for every view."""
        scenes, views, tokens = maps.shape[:3]
        return torch.arange(tokens, device=maps.device).expand(scenes, views, tokens)

    @property
    def keeping(self) -> Selection:
        """Return the choice among all tokens that needs no labels."""
        choice: Selection = build("selection", "gaussian_fps",
                                  {"candidates": self.candidates, "divergence": self.divergence})
        return choice
