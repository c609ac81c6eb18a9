"""The same K tokens for all views of a scene: good in the worst view, far apart on average.

As `gaussian_fps`, but a token's rank is its largest KL over the views (a token that is a blob in five views and
spread out in the sixth is a bad one), and the distance between two tokens is the mean over the views of the distance
of their peaks.
"""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from harness.method.selection._fps import distances, spread_out
from harness.method.selection.base import Selection
from harness.ops.maps import DIVERGENCES, kl_to_peak
from harness.ops.tensors import Maps
from harness.registry import knob


@dataclass(frozen=True)
class Multiview(Selection):
    """Ranks by the worst view's closeness to a Gaussian, then samples furthest points on mean distances."""

    candidates: int = knob(25, "best-ranked tokens that furthest point sampling sees", low=2, high=100_000)
    divergence: str = knob("softmax", "a map as a distribution: softmax (StableKeypoints) or divided by its sum",
                           choices=DIVERGENCES)

    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return token indices, the same in all views; with fewer candidates than keypoints the next best follow."""
        worst = kl_to_peak(maps, sigma_px, self.divergence).amax(1)  # (B V N) -> (B N)
        ranking, apart = worst.argsort(dim=-1, stable=True), distances(spread).mean(1)  # (B N), (B N N)
        chosen = spread_out(ranking, apart, candidates=self.candidates, keypoints=keypoints)
        return chosen[:, None].expand(-1, maps.shape[1], -1)  # (B K) -> (B V K)
