"""Tokens whose map is most like a Gaussian blob, far apart, view by view (StableKeypoints).

Tokens are ranked by KL(Gaussian at the map's peak || map). Furthest point sampling on the peaks of the warped copies'
maps chooses K of the best ``candidates``. Each view is treated separately.
"""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from harness.method.selection._fps import distances, spread_out
from harness.method.selection.base import Selection
from harness.ops.maps import DIVERGENCES, kl_to_peaks
from harness.ops.tensors import Maps
from harness.registry import knob


@dataclass(frozen=True)
class GaussianFps(Selection):
    """Ranks by closeness to a Gaussian, then samples furthest points."""

    candidates: int = knob(25, "best-ranked tokens that furthest point sampling sees", low=2, high=100_000)
    divergence: str = knob("softmax", "a map as a distribution: softmax (StableKeypoints) or divided by its sum",
                           choices=DIVERGENCES)
    subjects: int = knob(1, "objects alike in one image, each a peak of a good token's map", low=1, high=64)

    def __call__(self, maps: Maps, spread: Maps, *, keypoints: int, sigma_px: float) -> Int[Tensor, "B V K"]:
        """Return token indices; with fewer candidates than keypoints the next best-ranked tokens follow."""
        ranking = self.ranking(maps, sigma_px)
        return spread_out(ranking, distances(spread), candidates=self.candidates, keypoints=keypoints)

    def ranking(self, maps: Maps, sigma_px: float) -> Int[Tensor, "B V N"]:
        """Return all tokens' indices, the one most like a Gaussian first."""
        return kl_to_peaks(maps, sigma_px, self.divergence, self.subjects).argsort(dim=-1, stable=True)
