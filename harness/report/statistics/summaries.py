"""Summaries that a few outlying seeds do not sway."""

import math
from collections.abc import Sequence

import numpy as np


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter (rounded down); below four values, the mean.

    That of scipy.stats.trim_mean, without what it takes to call it for each cell of a large table.
    """
    cut = len(values) // 4
    kept = sorted(values)[cut : len(values) - cut]
    return math.fsum(kept) / len(kept)


def probability_of_improvement(values: Sequence[float], baseline: Sequence[float], better: int = 1) -> float:
    """Return how likely a run is to beat a run of the baseline: over all pairs of runs, a tie counting half.

    ``better`` is 1 where more is better, -1 where less is. It is Mann and Whitney's U over the number of pairs; 0.5
    says that neither is better.
    """
    gap = better * (np.asarray(values, dtype=float)[:, None] - np.asarray(baseline, dtype=float)[None, :])
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())
