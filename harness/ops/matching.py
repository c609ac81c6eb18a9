"""Which tokens stand for an image collection, and which of them for each annotated keypoint: pure functions.

Points are (row, column) in [0, 1]. S samples (one view of one scene each), J found points, K annotated keypoints.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROUNDS = 100  # of exchanging left and right; a list that is no involution may never settle

Regressor = Float[Tensor, "J2 K2"]  # two coordinates of each found point to two of each annotated one


def most_frequent(indices: Int[Tensor, "*batch K"], tokens: int, keypoints: int) -> Int[Tensor, "J"]:
    """Return the ``keypoints`` token indices chosen most often, most frequent first, the lower index of equals.

    Source: StableKeypoints, find_best_indices; its order among equally frequent tokens is arbitrary.
    """
    counts = torch.bincount(indices.flatten(), minlength=tokens)
    return counts.argsort(descending=True, stable=True)[:keypoints]


def match(errors: Float[Tensor, "J K"]) -> tuple[int, ...]:
    """Return for each keypoint the found point that it is tied to, -1 for none: the assignment of least total error.

    ``errors`` are mean errors of found point j as keypoint k; not finite where they could not be measured. A keypoint
    stays without a point where there are fewer points than keypoints, or where none of its errors is finite.
    """
    from scipy.optimize import linear_sum_assignment

    known = errors.isfinite()
    worst = float(errors[known].abs().sum()) + 1.0  # dearer than all the known ones together
    rows, columns = linear_sum_assignment(torch.where(known, errors, worst).double().cpu().numpy())
    found = [-1] * errors.shape[1]
    for j, k in zip(rows.tolist(), columns.tolist(), strict=True):
        if bool(known[j, k]):
            found[k] = j
    return tuple(found)


def fit_regressor(found_yx: Float[Tensor, "S J 2"], truth_yx: Float[Tensor, "S K 2"],
                  visible: Bool[Tensor, "S K"] | None = None) -> Regressor:
    """Return W of the linear map without bias from found to annotated points, float64: pinv(X'X) X'Y, both minus 0.5.

    With ``visible`` each keypoint is fitted on the samples that show it; one that none shows is put at the centre.
    Source: StableKeypoints, return_regressor and return_regressor_visible.
    """
    x, y = _centred(found_yx), _centred(truth_yx)
    if visible is None or bool(visible.all()):
        return _least_squares(x, y)
    columns = []
    for k in range(visible.shape[1]):
        shown, target = x[visible[:, k]], y[visible[:, k], 2 * k:2 * k + 2]
        columns.append(_least_squares(shown, target))
    return torch.cat(columns, 1)


def fit_regressor_mirrored(found_yx: Float[Tensor, "S J 2"], truth_yx: Float[Tensor, "S K 2"],
                           mirror: Int[Tensor, " K"], patience: int = 10) -> Regressor:
    """Return `fit_regressor` for data whose left and right tokens cannot tell apart.

    Fits, exchanges left and right (``mirror`` gives each keypoint's counterpart) in the annotations of every sample
    that fits better so, and fits again, until at most ``patience`` samples change. Source: StableKeypoints,
    return_regressor_human36m.
    """
    x, truth = _centred(found_yx), truth_yx.double().clone()
    for _ in range(ROUNDS):
        regressor = _least_squares(x, _centred(truth))
        predicted = apply_regressor(regressor, found_yx.double())
        swapped = truth[:, mirror]
        better = (predicted - swapped).norm(dim=-1).mean(-1) < (predicted - truth).norm(dim=-1).mean(-1)
        if better.sum() <= patience:
            break
        truth[better] = swapped[better]
    return regressor


def apply_regressor(regressor: Regressor, found_yx: Float[Tensor, "*batch J 2"]) -> Float[Tensor, "*batch K 2"]:
    """Return the annotated points that a regressor reads off the found ones, in the found points' precision."""
    centred = found_yx.flatten(-2).to(regressor) - 0.5
    points = centred @ regressor + 0.5
    return points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2).to(found_yx)


def _least_squares(x: Tensor, y: Tensor) -> Tensor:
    weights: Tensor = torch.linalg.pinv(x.T @ x, hermitian=True) @ x.T @ y
    return weights


def _centred(points_yx: Tensor) -> Tensor:
    return points_yx.flatten(1).double() - 0.5
