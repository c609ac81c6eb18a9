"""What a step would show to the losses, for tests."""

import torch

from harness.method.losses.base import LossInputs
from harness.ops.geometry import project, zero123plus_cameras
from harness.ops.maps import gaussians

SIZE = (14, 12)
SIGMA_PX = 1.5
CAMERAS = zero123plus_cameras()
PLACES_XYZ = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.3], [-0.3, 0.5, -0.2]])


def maps_at(points_yx):
    """Gaussian maps at points (*batch 2), each of them a leaf that takes gradients."""
    return gaussians(points_yx, *SIZE, SIGMA_PX).detach().requires_grad_()


def true_points(scenes=2, cameras=CAMERAS):
    return project(cameras, PLACES_XYZ).expand(scenes, -1, -1, -1)


def loss_inputs(maps, **given):
    """LossInputs with ``maps`` (B V K H W) in every role, unless another is given; cameras are Zero123++'s."""
    roles = dict.fromkeys(("maps", "view_maps", "common_maps"), maps)
    others = {"warped_maps": None, "theta": None, "tokens": torch.zeros(8, 4), "view_error": None, "sigma_px": SIGMA_PX}
    return LossInputs(**{**roles, **others, "cameras": (CAMERAS,) * maps.shape[0], **given})
