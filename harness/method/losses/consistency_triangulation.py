"""One token should mark one 3D point: the point triangulated from all views must project back onto its points.

X = weighted DLT of the soft-argmax points p_v, weights the confidences c_v; L = sum of c_v h(|project_v(X) - p_v|)
/ sum of c_v over scenes, tokens and views, h the Huber function of width ``delta``, in sides of the view. The
gradient also flows through X. Tokens whose rays meet nowhere, or behind a camera, are left out of the step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, normalize

from harness.method.losses._views import located, stacked
from harness.method.losses.base import Evidence, Loss
from harness.ops.geometry import centres, reproject, triangulate
from harness.ops.tensors import Scalar
from harness.registry import knob

LEAST_WEIGHT = 1e-3  # of a view, so that every point is triangulated from all views
LEAST_PARALLAX = 1e-4  # 1 - the length of the mean direction to the cameras; two of them 1.6 degrees apart


@dataclass(frozen=True)
class ConsistencyTriangulation(Loss):
    """Huber reprojection error of each token's triangulated point, weighted by confidence."""

    delta: float = knob(0.05, "error from which the penalty grows linearly, in sides of the view", low=1e-4, high=1.0)
    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def __call__(self, seen: Evidence) -> Scalar:
        """Return the unweighted term; 0 for a single view; raise UsageError if the data has no cameras."""
        points, confidence = located(seen, self.window, self.temperature)
        if points.shape[1] < 2:
            return points.sum() * 0.0
        matrices = stacked(seen, "consistency_triangulation", lambda cameras: cameras.matrices)
        weights = confidence.clamp_min(LEAST_WEIGHT)
        scene, token = _meet(matrices, points.detach(), weights).nonzero(as_tuple=True)
        if len(scene) == 0:
            return points.sum() * 0.0
        matrices, points, weights = matrices[scene], points[scene, :, token], weights[scene, :, token]  # (M V ...)
        places = triangulate(matrices, points[:, :, None], weights[..., None])
        back = reproject(matrices, places)[0][:, :, 0]
        errors = torch.linalg.vector_norm(back - points + 1e-9, dim=-1)  # the offset keeps the gradient finite at 0
        penalty = huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=self.delta)
        return (weights * penalty).sum() / weights.sum()


def _meet(matrices: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """Return which tokens (B J) triangulate, well-conditioned, to a point near the scene and before all cameras."""
    with torch.no_grad():
        places = triangulate(matrices, points, weights)
        back, depth = reproject(matrices, places)
        rays = normalize(centres(matrices)[:, :, None] - places[:, None], dim=-1)
        parallax = torch.linalg.vector_norm(rays.mean(1), dim=-1) < 1 - LEAST_PARALLAX
        ahead = (depth > 1e-2).all(1) & (back.abs() < 10).all(-1).all(1)
    met: Tensor = parallax & ahead & places.isfinite().all(-1)
    return met
