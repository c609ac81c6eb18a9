"""Do the views agree on one point in space: reprojection error, spread in 3D, PCK of held-out views."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.metrics._errors import ALPHAS, errors_px, hits, share
from harness.method.metrics.base import Metric, Observations
from harness.ops.geometry import reproject, triangulate


@dataclass(frozen=True)
class Multiview(Metric):
    """How well the matched points of the views triangulate, over the views in which the keypoint is visible and found.

    Scores: ``reprojection_px`` and ``reprojection_relative`` (over the normaliser), the mean distance between a found
    point and the projection of its keypoint's triangulated point; ``spread_3d``, the root mean square distance of the
    views' rays from that point, in scene units; ``error_3d``, the median distance from it to the true one, where that
    is known; ``pck_heldout@<alpha>``, each view scored with the point that the other views alone give. A keypoint needs
    two views; in the held-out score one that has fewer, or whose point falls behind the camera, is a miss. On data
    without annotated keypoints the first three are of the kept tokens, each in every view, also where it is hidden.
    """

    def __call__(self, seen: Observations) -> dict[str, float]:
        """Return the scores; nothing where cameras or matched points are missing."""
        if seen.cameras is None or "" not in seen.predictions:
            return {}
        found_yx = seen.predictions[""]
        if not found_yx.shape[-2] and seen.kept_yx is not None:
            return _agreement(seen, seen.cameras, seen.kept_yx, seen.kept_yx.isfinite().all(-1))
        used = seen.visible & found_yx.isfinite().all(-1)
        scores = _agreement(seen, seen.cameras, found_yx, used)
        if seen.visible.any():
            error_px = errors_px(held_out(seen.cameras, found_yx, used), seen.truth_yx, seen.size_px)
            for alpha in ALPHAS:
                hit = hits(error_px, seen.normaliser_px, alpha)
                scores[f"pck_heldout@{alpha:g}"] = share(hit, seen.visible)
        return scores


def agreement_by_point(seen: Observations) -> dict[str, Float[Tensor, "M V K"]]:
    """Return the scores point by point: ``error_heldout`` and ``reprojection`` in pixels, ``ray`` and ``error_3d``.

    Infinite where no other views give the held-out point; the others are NaN where the point does not count. Nothing
    without cameras or annotated keypoints.
    """
    if seen.cameras is None or "" not in seen.predictions or not seen.visible.shape[-1]:
        return {}
    found_yx = seen.predictions[""]
    used = seen.visible & found_yx.isfinite().all(-1)
    heldout = errors_px(held_out(seen.cameras, found_yx, used), seen.truth_yx, seen.size_px)
    return {"error_heldout": heldout.nan_to_num(nan=torch.inf), **_by_point(seen, seen.cameras, found_yx, used)}


def _by_point(
    seen: Observations,
    cameras: Float[Tensor, "M V 3 4"],
    found_yx: Float[Tensor, "M V K 2"],
    used: Bool[Tensor, "M V K"],
) -> dict[str, Float[Tensor, "M V K"]]:
    points_xyz = triangulate(cameras, found_yx, used.to(found_yx))
    known = points_xyz.isfinite().all(-1)  # (M K)
    counted = used & known[:, None]
    columns = {
        "reprojection": errors_px(reproject(cameras, points_xyz)[0], found_yx, seen.size_px),
        "ray": ray_distances(cameras, found_yx, points_xyz),
    }
    columns = {name: torch.where(counted, values, torch.nan) for name, values in columns.items()}
    if seen.points_xyz is not None and seen.points_xyz.shape[-2]:
        columns["error_3d"] = (points_xyz - seen.points_xyz).norm(dim=-1)[:, None].expand_as(counted)
    return columns


def _agreement(
    seen: Observations,
    cameras: Float[Tensor, "M V 3 4"],
    found_yx: Float[Tensor, "M V K 2"],
    used: Bool[Tensor, "M V K"],
) -> dict[str, float]:
    columns = _by_point(seen, cameras, found_yx, used)
    counted = columns["reprojection"].isfinite()
    if not counted.any():
        return {}
    scores = {
        "reprojection_px": columns["reprojection"][counted].mean().item(),
        "reprojection_relative": (columns["reprojection"] / seen.normaliser_px[..., None])[counted].mean().item(),
        "spread_3d": columns["ray"][counted].square().mean().sqrt().item(),
    }
    if "error_3d" in columns:
        own = columns["error_3d"][:, 0]
        scores["error_3d"] = own[own.isfinite()].median().item()
    return scores


def ray_distances(
    cameras: Float[Tensor, "*batch V 3 4"],
    points_yx: Float[Tensor, "*batch V K 2"],
    points_xyz: Float[Tensor, "*batch K 3"],
) -> Float[Tensor, "*batch V K"]:
    """Return the distance of each 3D point from the ray that each camera sends through its 2D point, in scene units."""
    inverse = torch.linalg.inv(cameras[..., :3])
    centres = -(inverse @ cameras[..., 3:])[..., 0]  # (*batch V 3)
    pixels = torch.cat([points_yx.flip(-1), torch.ones_like(points_yx[..., :1])], -1)
    along = torch.einsum("...vij,...vkj->...vki", inverse, pixels)
    along = along / along.norm(dim=-1, keepdim=True)
    offset = points_xyz[..., None, :, :] - centres[..., None, :]
    distances: Tensor = torch.linalg.cross(offset, along).norm(dim=-1)
    return distances


def held_out(
    cameras: Float[Tensor, "*batch V 3 4"], points_yx: Float[Tensor, "*batch V K 2"], used: Bool[Tensor, "*batch V K"]
) -> Float[Tensor, "*batch V K 2"]:
    """Return each view's points as triangulated from the used points of all other views; NaN where none can be."""
    views = []
    for view in range(cameras.shape[-3]):
        weights = used.to(points_yx)
        weights[..., view, :] = 0
        projected, depth = reproject(cameras, triangulate(cameras, points_yx, weights))
        views.append(torch.where(depth[..., view, :, None] > 0, projected[..., view, :, :], torch.nan))
    return torch.stack(views, -3)
