"""A token's maps should agree between views from nearby directions.

L = sum of w |A - A'|^2 / sum of w over all pairs of views, |.|^2 the mean over pixels, averaged over scenes and
tokens; w = exp(-angle / tau), angle between the two cameras' directions from the object. Nearer pairs weigh more.
Even for these it is an approximation: it compares the maps at equal pixels, which is right only if the point hardly
moves between the views.
"""

from dataclasses import dataclass
from itertools import combinations

import torch

from harness.method.losses._views import stack_cameras, view_pairs
from harness.method.losses.base import Loss, LossInputs
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class ConsistencyPoseWeighted(Loss):
    """Squared difference of maps over all pairs of views, weighted by how near the cameras are."""

    tau: float = knob(30.0, "angle at which a pair's weight has fallen to 1/e, in degrees", low=0.1, high=1000.0)

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term; 0 for a single view; raise UsageError if the data has no cameras."""
        maps = inputs.common_maps  # (B V J H W)
        if maps.shape[1] < 2:
            return maps.sum() * 0.0
        directions = stack_cameras(inputs, "consistency_pose_weighted", lambda cameras: cameras.directions)  # (B V 3)
        one, two = view_pairs(maps.shape[1], maps)
        cosine = (directions[:, one] * directions[:, two]).sum(-1)  # (B P), P pairs of views
        angles = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        weights = torch.softmax(-angles / self.tau, -1)  # (B P): w over the sum of w, also if every w is tiny
        distances = [(a - b).square().mean((-2, -1)) for a, b in combinations(maps.unbind(1), 2)]  # P x (B J)
        return (weights[..., None] * torch.stack(distances, 1)).sum(1).mean()  # (B P J)
