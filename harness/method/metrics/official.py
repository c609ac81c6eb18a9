"""The error measure of a dataset's own literature, of the regressed points and both baselines."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.metrics import _autolink, _official
from harness.method.metrics._errors import errors_px, hits, share, share_per_image
from harness.method.metrics.base import Metric, Observations

PROTOCOLS = {"regressed": "", "untrained_regressed": "_untrained", "mean_pose": "_mean_pose"}
BY_IMAGE = {"": "", "regressed": "_regressed", "untrained": "_untrained", "mean_pose": "_mean_pose"}
SPAIR_ALPHAS = (0.05, 0.1, 0.15)
HUMAN36M_SIDE = 128  # pixels of the image that its published figures are in


@dataclass(frozen=True)
class Points:
    """Predicted and annotated points of M images in [0, 1], their visibility, and counterparts of left and right."""

    predicted: Float[Tensor, "M K 2"]
    truth: Float[Tensor, "M K 2"]
    visible: Bool[Tensor, "M K"]
    mirror: tuple[int, ...]


def _complete(points: Points) -> Points:
    """Return the images whose points are all annotated, for measures over all points."""
    whole = points.visible.all(-1)
    return Points(points.predicted[whole], points.truth[whole], points.visible[whole], points.mirror)


def inter_eye(points: Points) -> dict[str, float]:
    """Return the mean error over the distance of the eyes, points 0 and 1 (CelebA, MAFL)."""
    complete = _complete(points)
    return {"inter_eye": _mean(_official.inter_eye(complete.predicted, complete.truth))}


def visible(points: Points) -> dict[str, float]:
    """Return the mean error in image sides: image by image as StableKeypoints, over all points as AutoLink (CUB)."""
    shows_any = points.visible.any(-1)
    return {
        "visible_l2": _mean(_official.mean_of_visible(points.predicted, points.truth, points.visible)[shows_any]),
        "visible_l2_pooled": _autolink.pooled(points.predicted, points.truth, points.visible).item(),
    }


def summed(points: Points) -> dict[str, float]:
    """Return errors summed over points at 256 px: distances as StableKeypoints, |x| + |y| as AutoLink (Tai-Chi)."""
    counted = points.visible[..., None].expand_as(points.truth)
    side = _official.SIDE_PX
    return {
        "summed_px": _mean(_official.sum_of_visible_px(points.predicted, points.truth, points.visible)),
        "summed_px_by_coordinate": _autolink.by_coordinate(
            side * points.predicted, side * points.truth, counted).item(),
    }


def below_6px(points: Points) -> dict[str, float]:
    """Return the share of points less than 6 px off at 256 px (DeepFashion)."""
    complete = _complete(points)
    return {"within_6px": _mean(_official.below_6px(complete.predicted, complete.truth))}


def mirrored(points: Points) -> dict[str, float]:
    """Return the mean error at 128 px with left and right exchanged if that is less (Human3.6M).

    StableKeypoints exchanges them in the predictions, image by image; AutoLink in the annotations (``_exchanged``).
    """
    complete, mirror = _complete(points), torch.tensor(points.mirror)
    return {
        "mirrored_px": _mean(_official.orientation_invariant(complete.predicted, complete.truth, mirror)),
        "mirrored_px_exchanged": HUMAN36M_SIDE * _autolink.mirrored(complete.predicted, complete.truth, mirror).item(),
    }


MEASURES: Mapping[str, Callable[[Points], dict[str, float]]] = {
    "inter_eye": inter_eye, "visible": visible, "summed": summed, "below_6px": below_6px, "mirrored": mirrored,
}


@dataclass(frozen=True)
class Official(Metric):
    """The measure that the dataset's rules name, by its own name and with ``_untrained`` and ``_mean_pose`` added.

    If the rules ask for it (SPair-71k) also PCK averaged image by image, ``image_pck@<alpha>`` and
    ``image_pck_<protocol>@<alpha>``, and over all points at the literature's third threshold, ``point_pck@0.15``.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores; {} if the dataset names no measure, shows no point, or has none to fit on."""
        if not observed.scored:
            return {}
        scores = _by_image(observed) if observed.by_image else {}
        for protocol, suffix in PROTOCOLS.items() if observed.official else ():
            if protocol not in observed.predictions:
                continue
            points = Points(observed.predictions[protocol].flatten(0, 1), observed.truth_yx.flatten(0, 1),
                            observed.visible.flatten(0, 1), observed.mirror)  # (M V ...) -> (M*V ...)
            measured = MEASURES[observed.official](points)
            scores |= {f"{name}{suffix}": value for name, value in measured.items() if math.isfinite(value)}
        return scores


def _by_image(observed: Observations) -> dict[str, float]:
    scores: dict[str, float] = {}
    for protocol, suffix in BY_IMAGE.items():
        if protocol not in observed.predictions:
            continue
        error_px = errors_px(observed.predictions[protocol], observed.truth_yx, observed.size_px)
        for alpha in SPAIR_ALPHAS:
            shares = share_per_image(hits(error_px, observed.normaliser_px, alpha), observed.visible)
            scores[f"image_pck{suffix}@{alpha:g}"] = shares[~shares.isnan()].mean().item()
        last = SPAIR_ALPHAS[-1]
        scores[f"point_pck{suffix}@{last:g}"] = share(hits(error_px, observed.normaliser_px, last), observed.visible)
    return scores


def _mean(values: Float[Tensor, " M"]) -> float:
    """Return the mean, NaN without an image."""
    return values.mean().item()
