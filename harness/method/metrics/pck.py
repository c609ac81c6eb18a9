"""PCK and normalised mean error of every protocol, baselines included."""

from dataclasses import dataclass

from harness.method.metrics._errors import ALPHAS, errors_px, hits, share
from harness.method.metrics.base import Metric, Observations

NME_NAMES = {"regressed": "nme", "untrained_regressed": "nme_untrained", "mean_pose": "nme_mean_pose"}


@dataclass(frozen=True)
class Pck(Metric):
    """Share of visible points whose error is at most alpha times the normaliser, and the mean normalised error.

    Scores: ``pck@<alpha>`` of the matched tokens, ``pck_<protocol>@<alpha>`` of every other protocol; ``nme``,
    ``nme_untrained`` and ``nme_mean_pose``, left out if a visible point has no prediction, because a mean cannot count
    it; ``visible_points``, the number of points under each score.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores, pooled over all visible points."""
        if not observed.scored:
            return {}
        scores = {"visible_points": float(observed.visible.sum())}
        for protocol, predicted_yx in observed.predictions.items():
            error_px = errors_px(predicted_yx, observed.truth_yx, observed.size_px)
            name = f"pck_{protocol}" if protocol else "pck"
            for alpha in ALPHAS:
                scores[f"{name}@{alpha:g}"] = share(hits(error_px, observed.normaliser_px, alpha), observed.visible)
            nme = (error_px / observed.normaliser_px[..., None])[observed.visible].mean()
            if protocol in NME_NAMES and nme.isfinite():
                scores[NME_NAMES[protocol]] = nme.item()
        return scores
