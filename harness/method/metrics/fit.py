"""PCK on the fit split, cross-fitted: a search may optimise and prune on it, since it uses no test label."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from harness.method.metrics._errors import ALPHAS, hits, share, share_per_image
from harness.method.metrics.base import HeldOut, Metric, Observations


@dataclass(frozen=True)
class Fit(Metric):
    """Share of the fit split's visible points within alpha times the normaliser, assigned by the other half's labels.

    Scores: ``pck_fit@<alpha>``; none if the split is too small to hold scenes out or shows no keypoint.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores."""
        return pooled(observed.fit)


def pooled(fit: HeldOut | None) -> dict[str, float]:
    """Return ``pck_fit@<alpha>`` over all visible points; a keypoint without a token is a miss."""
    if fit is None or not fit.visible.any():
        return {}
    return {name: share(hit, fit.visible) for name, hit in _hits(fit).items()}


def per_scene(fit: HeldOut | None) -> dict[str, list[int] | list[float] | list[bool]]:
    """Return one row per scene: its number, its number of visible points, their ``pck_fit@<alpha>`` (NaN for none)."""
    if fit is None:
        return {}
    visible = fit.visible.flatten(1)  # (M V K) -> (M V*K)
    shares = {name: share_per_image(hit.flatten(1), visible).tolist() for name, hit in _hits(fit).items()}
    return {"scene": list(range(len(visible))), "visible_points": visible.sum(-1).tolist(), **shares}


def _hits(fit: HeldOut) -> dict[str, Bool[Tensor, "M V K"]]:
    return {f"pck_fit@{alpha:g}": hits(fit.error_px, fit.normaliser_px, alpha) for alpha in ALPHAS}
