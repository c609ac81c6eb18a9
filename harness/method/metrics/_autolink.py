"""AutoLink's evaluation (He et al., NeurIPS 2022) of located keypoints; StableKeypoints' tables quote its figures.

It differs from StableKeypoints' own (`_official`) in three ways: regressors get points as they are, not minus 0.5;
errors are pooled over all points of all images, not averaged by image first; and Tai-Chi's is |error| by coordinate.
Located points are (row, column) in [0, 1], annotated ones in the unit of the dataset's figure, M images each.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.ops.matching import ROUNDS

Points = Float[Tensor, "M K 2"]


def features(found_yx: Float[Tensor, "M J 2"], scale: float | int = 1.0, *, bias: bool = False
             ) -> Float[Tensor, "M F"]:
    """Return the regressors' input: coordinates side by side, times ``scale``, then a one if ``bias``."""
    flat = found_yx.flatten(1) * scale  # (M J 2) -> (M 2J)
    return torch.cat([flat, torch.ones_like(flat[:, :1])], 1) if bias else flat


def least_squares(x: Float[Tensor, "M F"], y: Float[Tensor, "M C"]) -> Float[Tensor, "F C"]:
    """Return (x'x)^-1 x'y, in float64; the identity is added to x'x if that has no inverse."""
    x, y = x.double(), y.double()
    normal = x.T @ x
    if torch.linalg.matrix_rank(normal, hermitian=True) < len(normal):
        normal = normal + torch.eye(len(normal), dtype=normal.dtype)
    solved: Tensor = torch.linalg.solve(normal, x.T @ y)
    return solved


def fit_visible(x: Float[Tensor, "M F"], truth: Points, counted: Bool[Tensor, "M K C"]) -> Float[Tensor, "K C F"]:
    """Return one regressor for each coordinate, fitted on the images that count it; zero if none does."""
    flat, rows = truth.flatten(1), counted.flatten(1)  # (M K 2) -> (M 2K)
    fitted = [
        least_squares(x[rows[:, c]], flat[rows[:, c], c:c + 1])[:, 0] if rows[:, c].any()
        else torch.zeros(x.shape[1], dtype=torch.float64)
        for c in range(flat.shape[1])
    ]
    regressors: Tensor = torch.stack(fitted).unflatten(0, truth.shape[1:])  # (2K F) -> (K 2 F)
    return regressors


def pooled(predicted: Points, truth: Points, visible: Bool[Tensor, "M K"]) -> Tensor:
    """Return the mean error over all visible points of all images (CUB)."""
    total: Tensor = (predicted - truth).norm(dim=-1)[visible].sum()
    return total / visible.sum()


def by_coordinate(predicted: Points, truth: Points, counted: Bool[Tensor, "M K C"]) -> Tensor:
    """Return the sum over coordinates of their mean |error| over the images that count them (Tai-Chi)."""
    errors: Tensor = torch.where(counted, (predicted - truth).abs(), 0).sum(0) / counted.sum(0)
    return errors.nansum()


def below_6px(predicted_px: Points, truth_px: Points) -> Tensor:
    """Return the share of points less than 6 px off (DeepFashion); AutoLink's located points span 255 px, not 256."""
    errors: Tensor = (predicted_px - truth_px).norm(dim=-1)
    return (errors < 6).double().mean()


def by_eyes(predicted: Points, truth: Points, eyes: Float[Tensor, " M"]) -> Tensor:
    """Return the mean over points and images of error over the distance of the eyes (CelebA)."""
    errors: Tensor = (predicted - truth).norm(dim=-1)
    return (errors / eyes[:, None]).mean()


def exchange(predicted: Points, truth: Points, mirror: Int[Tensor, " K"], patience: int = 10) -> tuple[Points, bool]:
    """Return the annotations with left and right exchanged in images that fit better so; True if any was exchanged.

    Nothing is exchanged if at most ``patience`` images would change.
    """
    swapped = truth[:, mirror]
    better = (predicted - swapped).norm(dim=-1).mean(-1) < (predicted - truth).norm(dim=-1).mean(-1)
    if better.sum() <= patience:
        return truth, False
    return torch.where(better[:, None, None], swapped, truth), True


def fit_mirrored(x: Float[Tensor, "M F"], truth: Points, mirror: Int[Tensor, " K"]
                 ) -> tuple[Float[Tensor, "F C"], Float[Tensor, " _"]]:
    """Return a regressor for data whose left and right may be exchanged, and the errors of the images it was fitted on.

    Alternates fits and exchanges, drops images whose error is 3 standard deviations above the mean, and fits again.
    """
    truth = truth.double()
    for _ in range(ROUNDS):
        predicted = _apply(x, least_squares(x, truth.flatten(1)), truth)
        truth, changed = exchange(predicted, truth, mirror)
        if not changed:
            break
    errors = (predicted - truth).norm(dim=-1).mean(-1)
    kept = errors < errors.mean() + 3 * errors.std()
    regressor = least_squares(x[kept], truth[kept].flatten(1))
    return regressor, (_apply(x[kept], regressor, truth) - truth[kept]).norm(dim=-1).mean(-1)


def mirrored(predicted: Points, truth: Points, mirror: Int[Tensor, " K"]) -> Tensor:
    """Return the mean error with the annotations' left and right exchanged in images that fit better so (Human3.6M)."""
    truth = truth.double()
    for _ in range(ROUNDS):
        truth, changed = exchange(predicted, truth, mirror)
        if not changed:
            break
    errors: Tensor = (predicted - truth).norm(dim=-1)
    return errors.mean()


def _apply(x: Tensor, regressor: Tensor, like: Tensor) -> Tensor:
    points: Tensor = (x.double() @ regressor).unflatten(1, like.shape[1:])  # (M 2K) -> (M K 2)
    return points
