"""A token's maps should agree between views from nearby directions.

L = sum of w |A - A'|^2 / sum of w over all pairs of views, |.|^2 the mean over pixels, averaged over scenes and
tokens; w = exp(-angle / tau), angle between the two cameras' directions from the object. Nearer pairs weigh more.
Even for these it is an approximation: it compares the maps at equal pixels, which is only right where the view
hardly moves the point.
"""

from dataclasses import dataclass
from itertools import combinations

import torch

from harness.method.losses._views import pairs, stacked
from harness.method.losses.base import Evidence, Loss
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class ConsistencyPoseWeighted(Loss):
    """Squared difference of maps over all pairs of views, weighted by how near the cameras are."""

    tau: float = knob(30.0, "angle at which a pair's weight has fallen to 1/e, in degrees", low=0.1, high=1000.0)

    def __call__(self, seen: Evidence) -> Scalar:
        """Return the unweighted term; 0 for a single view; raise UsageError if the data has no cameras."""
        maps = seen.common_maps
        if maps.shape[1] < 2:
            return maps.sum() * 0.0
        directions = stacked(seen, "consistency_pose_weighted", lambda cameras: cameras.directions)
        one, two = pairs(maps.shape[1], maps)
        cosine = (directions[:, one] * directions[:, two]).sum(-1)
        angles = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        weights = torch.softmax(-angles / self.tau, -1)  # w over the sum of w, also where every w is tiny
        distances = [(a - b).square().mean((-2, -1)) for a, b in combinations(maps.unbind(1), 2)]
        return (weights[..., None] * torch.stack(distances, 1)).sum(1).mean()  # (B P J)
