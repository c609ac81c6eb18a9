"""Sign-flip tests of paired differences over seeds, Holm's correction, and Hedges' g."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 16  # most seeds with all 2^n sign patterns; above, 2^16 patterns are sampled
ALPHA = 0.05
CHUNK = 64


def sign_flip(differences: ArrayLike) -> NDArray[Any]:
    """Return the two-sided p of each row's mean being 0, for m rows of n paired differences, one per seed.

    Under the null hypothesis both signs of a difference are equally likely. p is the share of the 2^n sign patterns
    whose mean is at least as far from 0 as the observed one. Above EXACT_UP_TO seeds, 2^16 - 1 patterns are sampled
    with a fixed seed and the observed one is added, which keeps the test's level exact.
    """
    rows = np.atleast_2d(np.asarray(differences, dtype=float))
    if rows.size and not np.isfinite(rows).all():
        raise ValueError("paired differences must be finite")
    signs = _signs(rows.shape[1])
    parts = [_extreme(rows[i : i + CHUNK], signs) for i in range(0, len(rows), CHUNK)]
    return np.concatenate(parts) if parts else np.empty(0)


def smallest_p(seeds: int) -> float:
    """Return the smallest possible p of a number of seeds: 2^(1 - n), or 2^-EXACT_UP_TO if that is larger."""
    return 2.0 ** (1 - max(seeds, 1)) if seeds <= EXACT_UP_TO else 2.0**-EXACT_UP_TO


def holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values in the same order; they control the family-wise error rate."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted


def seeds_needed(tests: int) -> int | None:
    """Return the fewest seeds with which one of ``tests`` can be significant after Holm's correction; None: none."""
    return next((n for n in range(2, EXACT_UP_TO + 2) if tests * smallest_p(n) <= ALPHA), None)


def effect_size(differences: Sequence[float]) -> float | None:
    """Return Hedges' g of paired differences: mean / s, times the factor that makes it unbiased for normal values.

    None below three differences, since the factor is 0, and for equal differences.
    """
    count = len(differences)
    if count < 3:
        return None
    mean = math.fsum(differences) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (count - 1))
    half = (count - 1) / 2
    factor = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    return factor * mean / spread if spread > 1e-12 * max(map(abs, differences)) else None


@cache
def _signs(seeds: int) -> NDArray[Any]:
    """Return the sign patterns, the observed one first; of a pattern and its negative only one."""
    if seeds <= EXACT_UP_TO:
        patterns = np.arange(2 ** max(seeds - 1, 0))
        bits = (patterns[:, None] >> np.arange(seeds)) & 1
        return 1.0 - 2.0 * bits
    drawn = np.random.default_rng(0).integers(0, 2, (2**EXACT_UP_TO - 1, seeds))
    return np.concatenate([np.ones((1, seeds)), 1.0 - 2.0 * drawn])


def _extreme(rows: NDArray[Any], signs: NDArray[Any]) -> NDArray[Any]:
    sums = np.abs(signs @ rows.T)
    tie = 1e-12 * np.abs(rows).sum(1)  # sums within it are equal but for rounding
    return (sums >= sums[0] - tie).mean(0)  # type: ignore[no-any-return]
