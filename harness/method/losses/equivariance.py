"""A token's map should move with the image (StableKeypoints' equivariance loss).

L = mean of (A - T^-1 A')^2 over pixels, A the maps of the views and A' those of their copies warped by T. Pixels near
the border that the warped copy never showed say nothing about the token; StableKeypoints compares them with zeros.
"""

from dataclasses import dataclass

from harness.errors import UsageError
from harness.method.losses.base import Evidence, Loss
from harness.ops.tensors import Scalar
from harness.ops.warps import unwarp, valid
from harness.registry import knob


@dataclass(frozen=True)
class Equivariance(Loss):
    """Mean squared error between the views' maps and the unwarped maps of their warped copies; always per view."""

    border: str = knob("masked", "pixels without a source: left out, or taken as zeros", choices=("masked", "zeros"))

    def __call__(self, seen: Evidence) -> Scalar:
        """Return the unweighted term; raise UsageError if the trial has no warped copies of the views."""
        if seen.warped_maps is None or seen.theta is None:
            raise UsageError("losses.equivariance: the trial makes no warped copies of the views")
        errors = (seen.view_maps - unwarp(seen.warped_maps, seen.theta)).square()
        if self.border == "zeros":
            return errors.mean()
        shown = valid(seen.theta.to(errors), *errors.shape[-2:])[:, :, None]
        return (errors * shown).sum() / (shown.sum() * errors.shape[2]).clamp_min(1)
