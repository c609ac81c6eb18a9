"""The views' agreement on one point in space: reprojection error, spread in 3D, PCK of held-out views."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.metrics._agreement import by_point
from harness.method.metrics._errors import ALPHAS, errors_px, hits, share
from harness.method.metrics.base import Metric, Observations
from harness.ops.geometry import reproject, triangulate

LEAST_VIEWS = 3  # of a held-out point: two others triangulate it


@dataclass(frozen=True)
class Multiview(Metric):
    """The quality of the triangulated matched points, over the views in which the keypoint is visible and located.

    Scores: ``reprojection_px`` and ``reprojection_relative`` (over the normaliser), the mean distance between a located
    point and the projection of its keypoint's triangulated point; ``spread_3d``, the root mean square distance of the
    views' rays from that point, in scene units; ``error_3d``, the median distance from it to the true one, if that
    is known; ``pck_heldout@<alpha>``, each view scored with the point that the other views alone give. A keypoint needs
    two views; in the held-out score one that has fewer, or whose point falls behind the camera, is a miss. On data
    without annotated keypoints the first three are of the kept tokens, each in every view, even if it is hidden there.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores; {} without cameras or matched points."""
        if observed.cameras is None or "" not in observed.predictions:
            return {}
        found_yx = observed.predictions[""]
        if not found_yx.shape[-2] and observed.kept_yx is not None:
            return _agreement(observed, observed.cameras, observed.kept_yx, observed.kept_yx.isfinite().all(-1))
        used = observed.visible & found_yx.isfinite().all(-1)
        scores = _agreement(observed, observed.cameras, found_yx, used)
        if observed.scored and observed.visible.shape[1] >= LEAST_VIEWS:
            error_px = errors_px(held_out(observed.cameras, found_yx, used), observed.truth_yx, observed.size_px)
            for alpha in ALPHAS:
                hit = hits(error_px, observed.normaliser_px, alpha)
                scores[f"pck_heldout@{alpha:g}"] = share(hit, observed.visible)
        return scores


def agreement_by_point(observed: Observations) -> dict[str, Float[Tensor, "M V K"]]:
    """Return the scores point by point: ``error_heldout`` and ``reprojection`` in pixels, ``ray`` and ``error_3d``.

    The first is infinite if the other views do not determine the point; the others are NaN for points that do not
    count. {} without cameras or annotated keypoints, and for single views; ``error_heldout`` needs three views.
    """
    views, keypoints = observed.visible.shape[1:]
    if observed.cameras is None or "" not in observed.predictions or not keypoints or views < 2:
        return {}
    found_yx = observed.predictions[""]
    used = observed.visible & found_yx.isfinite().all(-1)
    columns = by_point(observed.cameras, found_yx, used, observed.size_px, observed.points_xyz)
    if views < LEAST_VIEWS:
        return columns
    heldout = errors_px(held_out(observed.cameras, found_yx, used), observed.truth_yx, observed.size_px)
    return {"error_heldout": heldout.nan_to_num(nan=torch.inf), **columns}


def _agreement(observed: Observations, cameras: Float[Tensor, "M V 3 4"], found_yx: Float[Tensor, "M V K 2"],
               used: Bool[Tensor, "M V K"]) -> dict[str, float]:
    columns = by_point(cameras, found_yx, used, observed.size_px, observed.points_xyz)
    counted = columns["reprojection"].isfinite()
    if not counted.any():
        return {}
    scores = {
        "reprojection_px": columns["reprojection"][counted].mean().item(),
        "reprojection_relative": (columns["reprojection"] / observed.normaliser_px[..., None])[counted].mean().item(),
        "spread_3d": columns["ray"][counted].square().mean().sqrt().item(),
    }
    if "error_3d" in columns:
        errors = columns["error_3d"][:, 0]  # (M V K) -> (M K), equal in all views
        measured = errors[errors.isfinite()]
        if len(measured):  # no true point may be where a keypoint was triangulated
            scores["error_3d"] = measured.quantile(0.5).item()
    return scores


def held_out(cameras: Float[Tensor, "*batch V 3 4"], points_yx: Float[Tensor, "*batch V K 2"],
             used: Bool[Tensor, "*batch V K"]) -> Float[Tensor, "*batch V K 2"]:
    """Return each view's points as triangulated from the used points of all other views; NaN if they do not suffice."""
    views = []
    for view in range(cameras.shape[-3]):
        weights = used.to(points_yx)
        weights[..., view, :] = 0
        projected, depth = reproject(cameras, triangulate(cameras, points_yx, weights))
        views.append(torch.where(depth[..., view, :, None] > 0, projected[..., view, :, :], torch.nan))
    return torch.stack(views, -3)
