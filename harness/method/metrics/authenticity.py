"""A check that captured attention is the model's own: largest residuals against the layers' real outputs."""

from dataclasses import dataclass

from harness.method.metrics.base import Metric, Observations


@dataclass(frozen=True)
class Authenticity(Metric):
    """The capture's residuals as recorded, the largest of a trial.

    Scores: ``attention_residual``, the largest absolute difference between captured probabilities times values and the
    layer's real output; ``row_sum_residual``, the largest absolute difference of a row's sum from 1.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the residuals."""
        return dict(observed.residuals)
