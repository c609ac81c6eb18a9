"""Recomputes a table's statistics from its scores with numpy and scipy, independently of `harness.report.statistics`.

Shared with it are the significance level ALPHA and EXACT_UP_TO, the most seeds with an exact p.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.report.statistics.paired import ALPHA, EXACT_UP_TO

NUMBER = r"[+-]?\d*\.?\d+(?:e[+-]\d+)?"
ROUNDING = 1e-12  # sums of sign patterns count as equal within this share of the sum of all sizes


def recompute_interval(values: Sequence[float], *, worst: bool = False) -> tuple[float, float | None]:
    """Return mean and half width of the 95% t interval, None for one value; of a worst-seed cell the largest value."""
    from scipy import stats

    if worst:
        return float(np.max(values)), None
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)) if len(values) > 1 else None
    return float(np.mean(values)), half


def recompute_p(gaps: Sequence[float]) -> float | None:
    """Return the exact sign-flip p, from all sums of signed gaps; None above EXACT_UP_TO seeds."""
    if len(gaps) > EXACT_UP_TO:
        return None
    sums: np.ndarray[Any, Any] = np.array(gaps[:1])  # the first sign is fixed, since |-s| = |s|
    for gap in gaps[1:]:
        sums = np.concatenate([sums + gap, sums - gap])
    return float(np.mean(np.abs(sums) >= abs(sum(gaps)) - ROUNDING * sum(map(abs, gaps))))


def recompute_effect_size(gaps: Sequence[float]) -> float | None:
    """Return Hedges' g; None below three seeds, or if the gaps differ by rounding alone."""
    from scipy.special import poch  # gamma(x + a) / gamma(x)

    freedom = len(gaps) - 1
    if freedom < 2 or (spread := np.std(gaps, ddof=1)) <= ROUNDING * np.abs(gaps).max():
        return None
    return float(poch((freedom - 1) / 2, 0.5) / np.sqrt(freedom / 2) * np.mean(gaps) / spread)


def recompute_improvement(values: Sequence[float], baseline: Sequence[float], better: int) -> float | None:
    """Return Mann and Whitney's U, from ranks, over the number of pairs; None if neither more nor less is better.

    None also from a single run of either side.
    """
    if better == 0 or min(len(values), len(baseline)) < 2:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(better * np.array([*values, *baseline]))[: len(values)]
    return float(ranks.sum() - len(values) * (len(values) + 1) / 2) / (len(values) * len(baseline))


def recompute_holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values: the k-th smallest of m times m - k + 1, never below the one before it."""
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(values), 0, -1) * np.asarray(values)[order]))
    return [float(p) for p in adjusted]


def recompute_reachable(counts: Sequence[int]) -> list[bool]:
    """Return for each test of a table whether it would be significant if all had the smallest p of their seeds."""
    smallest = recompute_holm([0.5 ** min(max(count, 1) - 1, EXACT_UP_TO) for count in counts])
    return [p <= ALPHA for p in smallest]


def text_agrees(text: str, mean: float, half: float | None, count: int) -> bool:
    """Return whether a cell's text shows these numbers, each rounded to the text's digits."""
    share = re.fullmatch(rf"({NUMBER})/(\d+)", text)
    if share:
        return int(share[2]) == count and math.isclose(float(share[1]), mean * count, rel_tol=1e-5)
    parts = re.fullmatch(rf"({NUMBER})(?:±({NUMBER}))?(?: \((\d+)\))?", text)
    if not parts or (parts[2] is None) != (half is None) or (parts[3] and int(parts[3]) != count):
        return False
    return _rounds_to(parts[1], mean) and (half is None or _rounds_to(parts[2], half))


def _rounds_to(text: str, value: float) -> bool:
    digits, _, power = text.partition("e")
    last = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(text) - value) <= last / 2 + 1e-9 * max(last, abs(value))
