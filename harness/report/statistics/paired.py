"""Whether a setting differs from the baseline: paired differences over seeds, tested by flipping their signs."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 16  # seeds whose 2^n sign patterns are all tried; above, as many are drawn
ALPHA = 0.05
CHUNK = 64


def sign_flip(differences: ArrayLike) -> NDArray[Any]:
    """Return the two-sided p of each row's mean being 0, for m rows of n paired differences, one per seed.

    Where the setting makes no difference, a seed's difference is as likely to carry the other sign: p is the share of
    the 2^n sign patterns whose mean is at least as far from 0 as the observed one. Above EXACT_UP_TO seeds, 2^16 - 1
    patterns are drawn with a fixed seed and the observed one counts as one more, which keeps the test exact in level.
    """
    rows = np.atleast_2d(np.asarray(differences, dtype=float))
    if rows.size and not np.isfinite(rows).all():
        raise ValueError("paired differences must be finite")
    signs = _signs(rows.shape[1])
    parts = [_extreme(rows[i : i + CHUNK], signs) for i in range(0, len(rows), CHUNK)]
    return np.concatenate(parts) if parts else np.empty(0)


def smallest_p(seeds: int) -> float:
    """Return the smallest p that so many seeds can give: 2^(1 - n), or what drawn patterns can tell."""
    return 2.0 ** (1 - max(seeds, 1)) if seeds <= EXACT_UP_TO else 2.0**-EXACT_UP_TO


def holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values in the order given: the chance of any false finding among them stays at alpha."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted


def seeds_needed(tests: int) -> int | None:
    """Return with how many seeds one of so many tests can be significant after Holm's correction; None: with none."""
    return next((n for n in range(2, EXACT_UP_TO + 2) if tests * smallest_p(n) <= ALPHA), None)


def effect_size(differences: Sequence[float]) -> float | None:
    """Return Hedges' g of paired differences: mean / s, times the factor that makes it unbiased for normal values.

    None below three differences, where the factor is 0, and where all are equal.
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
    """Return the sign patterns that are tried, the observed one first; of a pattern and its negative only one."""
    if seeds <= EXACT_UP_TO:
        patterns = np.arange(2 ** max(seeds - 1, 0))
        bits = (patterns[:, None] >> np.arange(seeds)) & 1
        return 1.0 - 2.0 * bits
    drawn = np.random.default_rng(0).integers(0, 2, (2**EXACT_UP_TO - 1, seeds))
    return np.concatenate([np.ones((1, seeds)), 1.0 - 2.0 * drawn])


def _extreme(rows: NDArray[Any], signs: NDArray[Any]) -> NDArray[Any]:
    sums = np.abs(signs @ rows.T)
    tie = 1e-12 * np.abs(rows).sum(1)  # sums that are equal but for rounding
    return (sums >= sums[0] - tie).mean(0)  # type: ignore[no-any-return]
