"""Tokens of one view should keep apart, so that they do not all end at the same spot.

L = mean over scenes, views and pairs of tokens k < l of exp(-|p_k - p_l|^2 / (2 d^2)), p the soft-argmax points in
[0, 1] and d the ``distance``: 1 where two tokens coincide, almost nothing beyond 3 d. Two maps that are
equal to the last bit get no gradient.
"""

from dataclasses import dataclass

import torch

from harness.method.losses.base import Loss, LossInputs
from harness.ops.maps import soft_peaks
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class Separation(Loss):
    """A Gaussian repulsion between the tokens' points."""

    distance: float = knob(0.1, "how far the push reaches, in sides of the view", low=0.001, high=1.0)
    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term; 0 for a single token."""
        points = soft_peaks(inputs.view_maps, self.window * inputs.sigma_px, self.temperature)  # (B V K 2)
        count = points.shape[-2]
        if count < 2:
            return points.sum() * 0.0
        first, second = torch.triu_indices(count, count, 1, device=points.device)
        squared = (points[..., first, :] - points[..., second, :]).square().sum(-1)  # (B V P)
        return torch.exp(-squared / (2 * self.distance**2)).mean()
