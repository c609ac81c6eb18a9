"""One token should mark one 3D point: its points in two views must lie on each other's epipolar lines.

L = sum of c d^2 / sum of c over scenes, tokens and all pairs of views, d the Sampson distance (in sides of the
view) between the soft-argmax points p and p' under the pair's fundamental matrix, and c the product of their
confidences. A necessary condition only: it cannot tell where along the line the point lies.
"""

from dataclasses import dataclass

from harness.method.losses._views import located, pairs, stacked
from harness.method.losses.base import Evidence, Loss
from harness.ops.geometry import fundamental, sampson
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class ConsistencyEpipolar(Loss):
    """Squared Sampson distance over all pairs of views, weighted by confidence."""

    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def __call__(self, seen: Evidence) -> Scalar:
        """Return the unweighted term; 0 for a single view; raise UsageError if the data has no cameras."""
        points, confidence = located(seen, self.window, self.temperature)
        if points.shape[1] < 2:
            return points.sum() * 0.0
        matrices = stacked(seen, "consistency_epipolar", lambda cameras: cameras.matrices)
        one, two = pairs(points.shape[1], points)
        between = fundamental(matrices[:, one], matrices[:, two])
        weights = confidence[:, one] * confidence[:, two]
        return (weights * sampson(between, points[:, one], points[:, two])).sum() / weights.sum().clamp_min(1e-6)
