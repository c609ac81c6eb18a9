"""How far the views' points are from one point in space, point by point: shared by true and by generated views."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.metrics._errors import errors_px
from harness.ops.geometry import reproject, triangulate


def by_point(cameras: Float[Tensor, "M V 3 4"], found_yx: Float[Tensor, "M V K 2"], used: Bool[Tensor, "M V K"],
             size_px: tuple[int, int], points_xyz: Float[Tensor, "M _ 3"] | None = None
             ) -> dict[str, Float[Tensor, "M V K"]]:
    """Return `reprojection` (px), `ray` and, with true 3D points, `error_3d` (scene units); NaN where not counted."""
    found_xyz = triangulate(cameras, found_yx, used.to(found_yx))
    triangulated = found_xyz.isfinite().all(-1)  # (M K 3) -> (M K)
    counted = used & triangulated[:, None]  # (M V K)
    columns = {
        "reprojection": errors_px(reproject(cameras, found_xyz)[0], found_yx, size_px),
        "ray": ray_distances(cameras, found_yx, found_xyz),
    }
    columns = {name: torch.where(counted, values, torch.nan) for name, values in columns.items()}
    if points_xyz is not None and points_xyz.shape[-2]:
        errors = (found_xyz - points_xyz).norm(dim=-1)  # (M K)
        columns["error_3d"] = errors[:, None].expand_as(counted)  # (M K) -> (M V K)
    return columns


def ray_distances(cameras: Float[Tensor, "*batch V 3 4"], points_yx: Float[Tensor, "*batch V K 2"],
                  points_xyz: Float[Tensor, "*batch K 3"]) -> Float[Tensor, "*batch V K"]:
    """Return the distance of each 3D point from the ray that each camera sends through its 2D point, in scene units."""
    inverse = torch.linalg.inv(cameras[..., :3])
    centres = -(inverse @ cameras[..., 3:])[..., 0]  # (*batch V 3)
    pixels = torch.cat([points_yx.flip(-1), torch.ones_like(points_yx[..., :1])], -1)  # (*batch V K 3): x, y, 1
    along = torch.einsum("...vij,...vkj->...vki", inverse, pixels)
    along = along / along.norm(dim=-1, keepdim=True)
    offset = points_xyz[..., None, :, :] - centres[..., None, :]  # (*batch V K 3)
    distances: Tensor = torch.linalg.cross(offset, along).norm(dim=-1)
    return distances
