"""Summaries that a few outlying seeds do not sway."""

from collections.abc import Sequence

import numpy as np


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter (rounded down); below four values, the mean."""
    from scipy.stats import trim_mean

    return float(trim_mean(values, 0.25))


def probability_of_improvement(values: Sequence[float], baseline: Sequence[float], better: int = 1) -> float:
    """Return how likely a run is to beat a run of the baseline: over all pairs of runs, a tie counting half.

    ``better`` is 1 where more is better, -1 where less is. It is Mann and Whitney's U over the number of pairs; 0.5
    says that neither is better.
    """
    gap = better * (np.asarray(values, dtype=float)[:, None] - np.asarray(baseline, dtype=float)[None, :])
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())
