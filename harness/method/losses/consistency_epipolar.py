"""One token should mark one 3D point: its points in two views must lie on each other's epipolar lines.

L = sum of c d^2 / sum of c over scenes, tokens and all pairs of views, d the Sampson distance (in sides of the
view) between the soft-argmax points p and p' under the pair's fundamental matrix, and c the product of their
confidences. The condition is necessary, not sufficient: it does not fix the point's place along the line.
"""

from dataclasses import dataclass

from harness.method.losses._views import BetweenViews, Confidence, Points, stack_cameras, view_pairs
from harness.method.losses.base import LossInputs
from harness.ops.geometry import fundamental, sampson
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class ConsistencyEpipolar(BetweenViews):
    """Squared Sampson distance over all pairs of views, weighted by confidence."""

    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def compare(self, inputs: LossInputs, points: Points, confidence: Confidence) -> Scalar:
        """Return the term for at least two views; raise UsageError if the data has no cameras."""
        matrices = stack_cameras(inputs, "consistency_epipolar", lambda cameras: cameras.matrices)  # (B V 3 4)
        one, two = view_pairs(points.shape[1], points)
        between = fundamental(matrices[:, one], matrices[:, two])  # (B P 3 3), P pairs of views
        weights = confidence[:, one] * confidence[:, two]  # (B P J)
        return (weights * sampson(between, points[:, one], points[:, two])).sum() / weights.sum().clamp_min(1e-6)
