"""Every token during the optimisation; the kept tokens are chosen afterwards as by `gaussian_fps`.

If all N tokens were kept, the labels would choose among them when keypoints are assigned, and scores would be too good.
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
    """Passes every token to the losses."""

    candidates: int = knob(25, "best-ranked tokens that the choice of those kept sees", low=2, high=100_000)
    divergence: str = knob("softmax", "a map as a distribution in that choice: softmax or divided by its sum",
                           choices=DIVERGENCES)

    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return 0 .. N - 1 for every view."""
        scenes, views, tokens = maps.shape[:3]
        return torch.arange(tokens, device=maps.device).expand(scenes, views, tokens)  # (N) -> (B V N)

    @property
    def keeping(self) -> Selection:
        """A choice among all tokens that needs no labels."""
        choice: Selection = build("selection", "gaussian_fps",
                                  {"candidates": self.candidates, "divergence": self.divergence})
        return choice
