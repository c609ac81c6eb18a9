"""Summaries that are robust to outlying seeds."""

import math
from collections.abc import Sequence

import numpy as np


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter (rounded down); below four values, the mean.

    Same as scipy.stats.trim_mean, without its call overhead.
    """
    cut = len(values) // 4
    kept = sorted(values)[cut : len(values) - cut]
    return math.fsum(kept) / len(kept)


def probability_of_improvement(values: Sequence[float], baseline: Sequence[float], better: int = 1) -> float | None:
    """Return the probability that a run beats a run of the baseline: the share of all pairs, ties counting half.

    ``better`` is 1 if more is better, -1 if less is; for 0, neither, there is no improvement: None. It is Mann and
    Whitney's U over the number of pairs; 0.5 means no difference.
    """
    if not better:
        return None
    gap = better * (np.asarray(values, dtype=float)[:, None] - np.asarray(baseline, dtype=float)[None, :])
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())
