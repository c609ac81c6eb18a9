"""The data sets' own error measures, as StableKeypoints (Hedlin et al., CVPR 2024) evaluates them; one value per image.

They differ in the normaliser, in the average and even in < or <= at the limit, so one table never mixes them. The
mean over images is the published figure. Points are (row, column) in [0, 1] of a square image.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SIDE_PX = 256


def inter_eye(predicted_yx: Float[Tensor, "M K 2"], truth_yx: Float[Tensor, "M K 2"]) -> Float[Tensor, " M"]:
    """Return the mean error over the distance of true points 0 and 1, the eyes (CelebA, MAFL)."""
    eyes: Tensor = (truth_yx[:, 0] - truth_yx[:, 1]).norm(dim=-1)
    return _errors(predicted_yx, truth_yx).mean(-1).div(eyes)


def mean_of_visible(predicted_yx: Float[Tensor, "M K 2"], truth_yx: Float[Tensor, "M K 2"],
                    visible: Bool[Tensor, "M K"]) -> Float[Tensor, " M"]:
    """Return the mean error over visible points, in image sides (CUB); each image has the same weight."""
    return torch.where(visible, _errors(predicted_yx, truth_yx), 0).sum(-1) / visible.sum(-1)


def sum_of_visible_px(predicted_yx: Float[Tensor, "M K 2"], truth_yx: Float[Tensor, "M K 2"],
                      visible: Bool[Tensor, "M K"]) -> Float[Tensor, " M"]:
    """Return the sum of visible points' errors in pixels of a 256-pixel image (Tai-Chi's "mean average error")."""
    return torch.where(visible, SIDE_PX * _errors(predicted_yx, truth_yx), 0).sum(-1)


def below_6px(predicted_yx: Float[Tensor, "M K 2"], truth_yx: Float[Tensor, "M K 2"]) -> Float[Tensor, " M"]:
    """Return the share of all points less than 6 pixels of a 256-pixel image off (DeepFashion's PCK); 6 is a miss."""
    return (_errors(SIDE_PX * predicted_yx, SIDE_PX * truth_yx) < 6).to(truth_yx).mean(-1)


def orientation_invariant(predicted_yx: Float[Tensor, "M K 2"], truth_yx: Float[Tensor, "M K 2"],
                          mirror: Int[Tensor, " K"]) -> Float[Tensor, " M"]:
    """Return the mean error times 128, the smaller of two: predictions as they are, or with left and right swapped.

    ``mirror`` gives, for each keypoint, the index of its counterpart (Human3.6M).
    """
    plain = _errors(predicted_yx, truth_yx).mean(-1)
    swapped = _errors(predicted_yx[:, mirror], truth_yx).mean(-1)
    return 128 * torch.minimum(plain, swapped)


def _errors(predicted: Float[Tensor, "M K 2"], truth: Float[Tensor, "M K 2"]) -> Float[Tensor, "M K"]:
    distances: Tensor = (predicted - truth).norm(dim=-1)
    return distances
