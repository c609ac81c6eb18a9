"""Matching of tokens to annotated keypoints: most frequent tokens, assignment, linear regressors. Pure functions.

Points are (row, column) in [0, 1]. S samples (one view of one scene each), J located points, K annotated keypoints.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROUNDS = 100  # of exchanging left and right; with a list that is no involution the exchange may not converge

Regressor = Float[Tensor, "J2 K2"]  # two coordinates of each located point to two of each annotated one


def most_frequent(indices: Int[Tensor, "*batch K"], tokens: int, keypoints: int) -> Int[Tensor, "J"]:
    """Return the ``keypoints`` indices, out of ``tokens``, chosen most often; most frequent first, then lower first.

    Source: StableKeypoints, find_best_indices; its order among equally frequent tokens is arbitrary.

    >>> most_frequent(torch.tensor([[3, 1], [3, 0], [1, 3]]), tokens=4, keypoints=2)
    tensor([3, 1])
    """
    places = indices.flatten()
    # Not bincount: on a GPU it waits for the largest index.
    counts = torch.zeros(tokens, dtype=torch.long, device=places.device).scatter_add(0, places, torch.ones_like(places))
    return counts.argsort(descending=True, stable=True)[:keypoints]


def match(errors: Float[Tensor, "J K"]) -> tuple[int, ...]:
    """Return the assignment of least total error (Hungarian algorithm): for each keypoint its located point, or -1.

    ``errors`` are mean errors of located point j as keypoint k; not finite if they could not be measured. A keypoint
    gets -1 if there are fewer points than keypoints, or if none of its errors is finite.

    >>> match(torch.tensor([[0.1, 0.9], [0.2, 0.3], [0.8, float("nan")]]))
    (0, 1)
    """
    from scipy.optimize import linear_sum_assignment

    finite = errors.isfinite()
    worst = float(errors[finite].abs().sum()) + 1.0  # larger than the sum of all finite errors
    rows, columns = linear_sum_assignment(torch.where(finite, errors, worst).double().cpu().numpy())
    assigned = [-1] * errors.shape[1]
    for j, k in zip(rows.tolist(), columns.tolist(), strict=True):
        if bool(finite[j, k]):
            assigned[k] = j
    return tuple(assigned)


def fit_regressor(located_yx: Float[Tensor, "S J 2"], truth_yx: Float[Tensor, "S K 2"],
                  visible: Bool[Tensor, "S K"] | None = None) -> Regressor:
    """Return W of the linear map without bias from located to annotated points, float64: pinv(X'X) X'Y, both minus 0.5.

    With ``visible`` each keypoint is fitted on the samples that show it; a keypoint that none shows gets the centre.
    Source: StableKeypoints, return_regressor and return_regressor_visible.
    """
    x, y = _centred(located_yx), _centred(truth_yx)
    if visible is None or bool(visible.all()):
        return _least_squares(x, y)
    columns = []
    for k in range(visible.shape[1]):
        inputs, target = x[visible[:, k]], y[visible[:, k], 2 * k:2 * k + 2]  # (s 2J), (s 2)
        columns.append(_least_squares(inputs, target))
    return torch.cat(columns, 1)  # K x (2J 2) -> (2J 2K)


def fit_regressor_mirrored(located_yx: Float[Tensor, "S J 2"], truth_yx: Float[Tensor, "S K 2"],
                           mirror: Int[Tensor, " K"], patience: int = 10) -> Regressor:
    """Return `fit_regressor` for data whose left and right the tokens cannot distinguish.

    Fits, exchanges left and right (``mirror`` gives each keypoint's counterpart) in the annotations of every sample
    that fits better so, and fits again, until at most ``patience`` samples change. Source: StableKeypoints,
    return_regressor_human36m.
    """
    x, truth = _centred(located_yx), truth_yx.double().clone()
    for _ in range(ROUNDS):
        regressor = _least_squares(x, _centred(truth))
        predicted = apply_regressor(regressor, located_yx.double())
        swapped = truth[:, mirror]
        better = (predicted - swapped).norm(dim=-1).mean(-1) < (predicted - truth).norm(dim=-1).mean(-1)
        if better.sum() <= patience:
            break
        truth[better] = swapped[better]
    return regressor


def apply_regressor(regressor: Regressor, located_yx: Float[Tensor, "*batch J 2"]) -> Float[Tensor, "*batch K 2"]:
    """Return the annotated points that a regressor predicts from the located ones, in their precision."""
    centred = located_yx.flatten(-2).to(regressor) - 0.5  # (*batch J 2) -> (*batch 2J)
    points = centred @ regressor + 0.5
    return points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2).to(located_yx)  # (*batch 2K) -> (*batch K 2)


def _least_squares(x: Tensor, y: Tensor) -> Tensor:
    weights: Tensor = torch.linalg.pinv(x.T @ x, hermitian=True) @ x.T @ y
    return weights


def _centred(points_yx: Tensor) -> Tensor:
    return points_yx.flatten(1).double() - 0.5  # (S K 2) -> (S 2K)
