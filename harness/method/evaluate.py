"""Evaluation with labels: the token of each keypoint, the regressor, the hold-out scores and the mean-pose baseline.

Everything here may read annotations of the fit split; `localise` reads none.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.method.encode import Split
from harness.method.localise import Located, choose, locate
from harness.method.metrics._errors import errors_px
from harness.method.metrics.base import HeldOut
from harness.method.metrics.fit import pooled
from harness.method.passes import Diverged, Passes
from harness.method.selection.base import Selection
from harness.ops.matching import apply_regressor, fit_regressor, fit_regressor_mirrored, match

EXAMPLES = 3  # test scenes whose maps are kept for the trial's picture
EVEN, ODD = slice(0, None, 2), slice(1, None, 2)  # the fit split's halves, by scene number


@dataclass(frozen=True)
class Assignment:
    """Decided by labels of the fit split: each keypoint's token among those kept, and among all; a regressor."""

    matched: tuple[int, ...]
    oracle: tuple[int, ...]
    regressor: Float[Tensor, "J2 K2"]


@dataclass(frozen=True)
class Readout:
    """One set of tokens, evaluated: the kept ones, their assignment to keypoints, their points on the test split.

    ``held_out`` holds the errors on the fit split when each half of it is assigned by the other half's labels.
    """

    tokens: Float[Tensor, "N D"]
    kept: Int[Tensor, " J"]
    assignment: Assignment
    located: Located
    held_out: HeldOut | None = None


def read_out(passes: Passes, train: Split, fit: Split, test: Split, tokens: Float[Tensor, "N D"],
             selection: Selection) -> Readout:
    """Choose tokens on the optimise split, assign them on the fit split, locate them on the test split."""
    kept = choose(passes, train, tokens, selection)
    on_fit, kept_cpu = locate(passes, fit, tokens, kept, measure=False), kept.cpu()
    return Readout(tokens, kept_cpu, assign_keypoints(on_fit, fit, kept_cpu),
                   locate(passes, test, tokens, kept, EXAMPLES), hold_out(on_fit, fit, kept_cpu))


def probe(passes: Passes, train: Split, fit: Split, tokens: Tensor, selection: Selection) -> dict[str, float]:
    """Return `pck_fit@<alpha>` of tokens during optimisation, computed as for the trial's scores; no test label."""
    try:
        kept = choose(passes, train, tokens, selection)
        return pooled(hold_out(locate(passes, fit, tokens, kept, measure=False), fit, kept.cpu()))
    except Diverged:  # the optimisation itself raises it again if it concerns the loss
        return {}


def assign_keypoints(located: Located, split: Split, kept: Int[Tensor, " J"]) -> Assignment:
    """Return the assignment by the fit split's labels, from the tokens' points on it."""
    errors = _mean_errors(located.points_yx, split, slice(None))  # (N K)
    points = located.points_yx[:, :, kept].flatten(0, 1)  # (M V J 2) -> (M*V J 2)
    truth, visible = split.truth_yx.double().flatten(0, 1), split.visible.flatten(0, 1)  # (M*V K 2), (M*V K)
    if split.rules.mirror:
        complete = visible.all(-1)  # (M*V K) -> (M*V)
        regressor = fit_regressor_mirrored(points[complete], truth[complete], torch.tensor(split.rules.mirror))
    else:
        regressor = fit_regressor(points, truth, visible)
    return Assignment(match(errors[kept]), match(errors), regressor)


def hold_out(located: Located, split: Split, kept: Int[Tensor, " J"]) -> HeldOut | None:
    """Return the fit split's errors with even scenes assigned by the odd ones' labels and odd ones by the even ones'.

    A keypoint that the other half never shows has no token. None for fewer than two scenes.
    """
    if len(split) < 2:
        return None
    points, truth = located.points_yx[:, :, kept], split.truth_yx.double()  # (M V J 2), (M V K 2)
    predicted = torch.empty_like(truth)
    for scored, labelled in ((EVEN, ODD), (ODD, EVEN)):
        predicted[scored] = _pick(points[scored], match(_mean_errors(points, split, labelled)))
    return HeldOut(errors_px(predicted, truth, split.size_px), split.visible, split.normaliser_px.double())


def _mean_errors(points_yx: Float[Tensor, "M V N 2"], split: Split, scenes: slice) -> Float[Tensor, "N K"]:
    """Return the mean error of each token as each keypoint over the visible points of some scenes, in normalisers."""
    points, truth, visible = points_yx[scenes], split.truth_yx[scenes].double(), split.visible[scenes]
    offsets = (points[..., :, None, :] - truth[..., None, :, :]) * torch.tensor(split.size_px)  # (m V N K 2)
    relative = offsets.norm(dim=-1) / split.normaliser_px[scenes][..., None, None]  # (m V N K)
    counted = visible[:, :, None].expand_as(relative)  # (m V K) -> (m V N K)
    means: Tensor = torch.where(counted, relative, 0).sum((0, 1)) / counted.sum((0, 1))
    return means


def predict(located: Located, assignment: Assignment, kept: Int[Tensor, " J"]) -> dict[str, Float[Tensor, "M V K 2"]]:
    """Return the keypoints' points: "" matched, "regressed", "oracle"; NaN if a keypoint has no token."""
    points = located.points_yx[:, :, kept]  # (M V J 2)
    return {
        "": _pick(points, assignment.matched),
        "regressed": apply_regressor(assignment.regressor, points),
        "oracle": _pick(located.points_yx, assignment.oracle),
    }


def mean_pose(fit: Split, test: Split) -> Float[Tensor, "M V K 2"]:
    """Return the baseline without images: each keypoint's mean place in the fit split, view by view."""
    counted = fit.visible[..., None]  # (m V K 1)
    truth = torch.where(counted, fit.truth_yx.double(), 0.0)
    by_view, over_views = truth.sum(0) / counted.sum(0), truth.sum((0, 1)) / counted.sum((0, 1))  # (V K 2), (K 2)
    # A keypoint that a view never shows gets its mean over the other views, or the centre.
    mean = torch.where(by_view.isnan(), over_views, by_view).nan_to_num(nan=0.5)
    return mean.expand(len(test), -1, -1, -1)  # (V K 2) -> (M V K 2)


def _pick(points_yx: Float[Tensor, "M V N 2"], indices: tuple[int, ...]) -> Float[Tensor, "M V K 2"]:
    """Return the points of some tokens, NaN for index -1."""
    chosen = points_yx[:, :, [max(i, 0) for i in indices]].clone()
    chosen[:, :, [i < 0 for i in indices]] = float("nan")
    return chosen
