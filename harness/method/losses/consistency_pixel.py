"""A token should lie at the same pixel in all views: a wrong idea, kept to measure how wrong.

L = mean over scenes, tokens and views of |p_v - mean_v p_v|^2, p the soft-argmax points in [0, 1]. A 3D point does
not stay at one pixel while the camera moves round the object (only points on the axis keep their row), so the term
pulls tokens towards the centre of the view instead of onto the object's parts. `consistency_epipolar` and
`consistency_triangulation` are the sound forms.
"""

from dataclasses import dataclass

from harness.method.losses._views import BetweenViews, Confidence, Points
from harness.method.losses.base import LossInputs
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class ConsistencyPixel(BetweenViews):
    """Variance over views of the tokens' points; it ignores the cameras, which is its mistake."""

    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def compare(self, inputs: LossInputs, points: Points, confidence: Confidence) -> Scalar:
        """Return the term for at least two views."""
        return (points - points.mean(1, keepdim=True)).square().sum(-1).mean()
