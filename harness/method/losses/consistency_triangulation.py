"""One token should mark one 3D point: the point triangulated from all views must project back onto its points.

X = weighted DLT of the soft-argmax points p_v, weights the confidences c_v; L = sum of c_v h(|project_v(X) - p_v|)
/ sum of c_v over scenes, tokens and views, h the Huber function of width ``delta``, in sides of the view. The
gradient also flows through X. Tokens whose rays do not meet, or meet behind a camera, are left out of the step.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import huber_loss, normalize

from harness.method.losses._views import BetweenViews, Confidence, Points, stack_cameras
from harness.method.losses.base import LossInputs
from harness.ops.geometry import centres, reproject, triangulate
from harness.ops.tensors import Scalar
from harness.registry import knob

LEAST_WEIGHT = 1e-3  # of a view, so that every point is triangulated from all views
LEAST_PARALLAX = 1e-4  # 1 - the length of the mean direction to the cameras; two of them 1.6 degrees apart


@dataclass(frozen=True)
class ConsistencyTriangulation(BetweenViews):
    """Huber reprojection error of each token's triangulated point, weighted by confidence."""

    delta: float = knob(0.05, "error from which the penalty grows linearly, in sides of the view", low=1e-4, high=1.0)
    window: float = knob(3.0, "radius of the soft-argmax around the peak, in sigma_px", low=0.5, high=1000.0)
    temperature: float = knob(1.0, "of the soft-argmax; towards 0 it becomes the argmax", low=0.05, high=1.0)

    def compare(self, inputs: LossInputs, points: Points, confidence: Confidence) -> Scalar:
        """Return the term for at least two views; raise UsageError if the data has no cameras."""
        matrices = stack_cameras(inputs, "consistency_triangulation", lambda cameras: cameras.matrices)  # (B V 3 4)
        weights = confidence.clamp_min(LEAST_WEIGHT)
        scene, token = _triangulates(matrices, points.detach(), weights).nonzero(as_tuple=True)
        if len(scene) == 0:
            return points.sum() * 0.0
        matrices, points, weights = matrices[scene], points[scene, :, token], weights[scene, :, token]  # (M V ...)
        points_xyz = triangulate(matrices, points[:, :, None], weights[..., None])  # (M V 1 2), (M V 1) -> (M 1 3)
        back = reproject(matrices, points_xyz)[0][:, :, 0]  # (M V 1 2) -> (M V 2)
        errors = torch.linalg.vector_norm(back - points + 1e-9, dim=-1)  # the offset keeps the gradient finite at 0
        penalty = huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=self.delta)
        return (weights * penalty).sum() / weights.sum()


def _triangulates(matrices: Tensor, points: Points, weights: Confidence) -> Bool[Tensor, "B J"]:
    """Return the tokens that triangulate, well-conditioned, to a point near the scene and in front of all cameras."""
    with torch.no_grad():
        points_xyz = triangulate(matrices, points, weights)  # (B J 3)
        back, depth = reproject(matrices, points_xyz)  # (B V J 2), (B V J)
        rays = normalize(centres(matrices)[:, :, None] - points_xyz[:, None], dim=-1)  # (B V J 3)
        parallax = torch.linalg.vector_norm(rays.mean(1), dim=-1) < 1 - LEAST_PARALLAX  # (B J)
        ahead = (depth > 1e-2).all(1) & (back.abs() < 10).all(-1).all(1)  # (B V J 2) -> (B J)
    usable: Tensor = parallax & ahead & points_xyz.isfinite().all(-1)
    return usable
