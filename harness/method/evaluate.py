"""What labels decide: which token stands for which keypoint, the regressor, the hold-out scores and the baseline.

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


@dataclass(frozen=True)
class Assignment:
    """What labels of the fit split decide: the token of each keypoint among those kept, and among all; a regressor."""

    matched: tuple[int, ...]
    oracle: tuple[int, ...]
    regressor: Float[Tensor, "J2 K2"]


@dataclass(frozen=True)
class Readout:
    """One set of tokens, read on all splits: which are kept, how they are tied, what they find on the test split.

    ``held_out`` is how they do on the fit split when each half of it ties them for the other.
    """

    tokens: Tensor
    kept: Tensor
    assignment: Assignment
    found: Located
    held_out: HeldOut | None = None


def read_out(passes: Passes, train: Split, fit: Split, test: Split, tokens: Tensor,
             selection: Selection) -> Readout:
    """Choose tokens on the optimise split, tie them on the fit split, locate them on the test split."""
    kept = choose(passes, train, tokens, selection)
    fitted, own = locate(passes, fit, tokens, kept), kept.cpu()
    return Readout(tokens, own, assign_keypoints(fitted, fit, own), locate(passes, test, tokens, kept, EXAMPLES),
                   hold_out(fitted, fit, own))


def probe(passes: Passes, train: Split, fit: Split, tokens: Tensor, selection: Selection) -> dict[str, float]:
    """Return `pck_fit@<alpha>` of tokens still being optimised, as the trial's scores will have it; no test label."""
    try:
        kept = choose(passes, train, tokens, selection)
        return pooled(hold_out(locate(passes, fit, tokens, kept), fit, kept.cpu()))
    except Diverged:  # for the optimisation to find out, if it matters to it
        return {}


def assign_keypoints(found: Located, split: Split, kept: Int[Tensor, " J"]) -> Assignment:
    """Return what the fit split's labels decide, from points found on it."""
    errors = _mean_errors(found.points_yx, split, slice(None))
    own = found.points_yx[:, :, kept].flatten(0, 1)
    truth, visible = split.truth_yx.double().flatten(0, 1), split.visible.flatten(0, 1)
    if split.rules.mirror:
        whole = visible.all(-1)
        regressor = fit_regressor_mirrored(own[whole], truth[whole], torch.tensor(split.rules.mirror))
    else:
        regressor = fit_regressor(own, truth, visible)
    return Assignment(match(errors[kept]), match(errors), regressor)


def hold_out(found: Located, split: Split, kept: Int[Tensor, " J"]) -> HeldOut | None:
    """Return the fit split's errors with even scenes tied by the odd ones' labels and odd ones by the even ones'.

    A keypoint that the other half never shows has no token. None where there are fewer than two scenes.
    """
    if len(split) < 2:
        return None
    own, truth = found.points_yx[:, :, kept], split.truth_yx.double()
    points = torch.empty_like(truth)
    for scored, labelled in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        points[scored] = _pick(own[scored], match(_mean_errors(own, split, labelled)))
    return HeldOut(errors_px(points, truth, split.size_px), split.visible, split.normaliser_px.double())


def _mean_errors(points_yx: Float[Tensor, "M V N 2"], split: Split, scenes: slice) -> Float[Tensor, "N K"]:
    """Return the mean error of each token as each keypoint over the visible points of some scenes, in normalisers."""
    points, truth, visible = points_yx[scenes], split.truth_yx[scenes].double(), split.visible[scenes]
    offsets = (points[..., :, None, :] - truth[..., None, :, :]) * torch.tensor(split.size_px)
    relative = offsets.norm(dim=-1) / split.normaliser_px[scenes][..., None, None]
    shown = visible[:, :, None].expand_as(relative)
    means: Tensor = torch.where(shown, relative, 0).sum((0, 1)) / shown.sum((0, 1))
    return means


def predict(found: Located, assignment: Assignment, kept: Int[Tensor, " J"]) -> dict[str, Float[Tensor, "M V K 2"]]:
    """Return the keypoints' points: "" matched, "regressed", "oracle"; NaN where a keypoint has no token."""
    own = found.points_yx[:, :, kept]
    return {
        "": _pick(own, assignment.matched),
        "regressed": apply_regressor(assignment.regressor, own),
        "oracle": _pick(found.points_yx, assignment.oracle),
    }


def mean_pose(fit: Split, test: Split) -> Float[Tensor, "M V K 2"]:
    """Return the baseline that looks at no image: each keypoint's mean place in the fit split, view by view."""
    shown = fit.visible[..., None]
    known = torch.where(shown, fit.truth_yx.double(), 0.0)
    own, pooled = known.sum(0) / shown.sum(0), known.sum((0, 1)) / shown.sum((0, 1))
    # A keypoint that a view never shows is put where the other views show it, or at the centre.
    mean = torch.where(own.isnan(), pooled, own).nan_to_num(nan=0.5)
    return mean.expand(len(test), -1, -1, -1)


def _pick(points_yx: Tensor, indices: tuple[int, ...]) -> Tensor:
    chosen = points_yx[:, :, [max(i, 0) for i in indices]].clone()
    chosen[:, :, [i < 0 for i in indices]] = float("nan")
    return chosen
