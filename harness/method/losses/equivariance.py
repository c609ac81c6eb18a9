"""A token's map should move with the image (StableKeypoints' equivariance loss).

L = mean of (A - T^-1 A')^2 over pixels, A the maps of the views and A' those of their copies warped by T. Pixels near
the border that the warped copy does not show carry no information; StableKeypoints compares them with zeros.
"""

from dataclasses import dataclass

from harness.errors import UsageError
from harness.method.losses.base import Loss, LossInputs
from harness.ops.tensors import Scalar
from harness.ops.warps import unwarp, valid
from harness.registry import knob


@dataclass(frozen=True)
class Equivariance(Loss):
    """Mean squared error between the views' maps and the unwarped maps of their warped copies; always per view."""

    border: str = knob("masked", "pixels without a source: left out, or taken as zeros", choices=("masked", "zeros"))

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term; raise UsageError if the trial has no warped copies of the views."""
        if inputs.warped_maps is None or inputs.theta is None:
            raise UsageError("losses.equivariance: the trial makes no warped copies of the views")
        errors = (inputs.view_maps - unwarp(inputs.warped_maps, inputs.theta)).square()  # (B V K H W)
        if self.border == "zeros":
            return errors.mean()
        visible = valid(inputs.theta.to(errors), *errors.shape[-2:])[:, :, None]  # (B V H W) -> (B V 1 H W)
        return (errors * visible).sum() / (visible.sum() * errors.shape[2]).clamp_min(1)
