"""Each token's map should be one small Gaussian blob (StableKeypoints' localisation loss).

L = mean over scenes, views, tokens and pixels of (A - G(argmax A))^2, G the Gaussian of peak 1 and spread ``sigma_px``,
not normalised; the argmax carries no gradient. On the assembled canvas one Gaussian serves all views. For images that
show several objects alike, G is the mean of one such Gaussian for each.
"""

from dataclasses import dataclass

from harness.method.losses.base import Loss, LossInputs
from harness.ops.maps import gaussians, several_peaks
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class Sharpening(Loss):
    """Mean squared error between the maps and Gaussians at their peaks."""

    subjects: int = knob(1, "objects alike in one image, each a peak of the target", low=1, high=64)

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term."""
        height, width = inputs.maps.shape[-2:]
        peaks_yx = several_peaks(inputs.maps, self.subjects)  # (subjects B U K 2)
        target = gaussians(peaks_yx, height, width, inputs.sigma_px).mean(0)  # (B U K Y X)
        return (inputs.maps - target).square().mean()
