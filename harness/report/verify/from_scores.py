"""What a table says of its values, taken again by other code than that which wrote it."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.report.statistics.paired import ALPHA, EXACT_UP_TO

NUMBER = r"[+-]?\d*\.?\d+(?:e[+-]\d+)?"
TIE = 1e-12  # sums of sign patterns are equal within it, of the sum of all sizes


def summary(values: Sequence[float], *, worst: bool = False) -> tuple[float, float | None]:
    """Return mean and half width by pandas and scipy alone; the largest value where that is what the cell shows."""
    import pandas as pd
    from scipy import stats

    series = pd.Series(values, dtype=float)
    if worst:
        return float(series.max()), None
    half = float(stats.t.ppf(0.975, len(series) - 1) * series.sem()) if len(series) > 1 else None
    return float(series.mean()), half


def exact_p(gaps: Sequence[float]) -> float | None:
    """Return the sign-flip p, each seed's two signs added to all sums before it; None where patterns are drawn."""
    if len(gaps) > EXACT_UP_TO:
        return None
    sums: np.ndarray[Any, Any] = np.array(gaps[:1])  # the first sign stays, since |-s| = |s|
    for gap in gaps[1:]:
        sums = np.concatenate([sums + gap, sums - gap])
    return float(np.mean(np.abs(sums) >= abs(sum(gaps)) - TIE * sum(map(abs, gaps))))


def hedges_g(gaps: Sequence[float]) -> float | None:
    """Return Hedges' g by pandas and scipy; None below three seeds, or where they differ by rounding alone."""
    import pandas as pd
    from scipy.special import poch  # gamma(x + a) / gamma(x)

    series, freedom = pd.Series(gaps, dtype=float), len(gaps) - 1
    if freedom < 2 or series.std() <= TIE * series.abs().max():
        return None
    factor = poch((freedom - 1) / 2, 0.5) / np.sqrt(freedom / 2)
    return float(factor * series.mean() / series.std())


def improvement(values: Sequence[float], baseline: Sequence[float], better: int) -> float:
    """Return Mann and Whitney's U, from ranks, over the number of pairs."""
    from scipy.stats import rankdata

    ranks = rankdata((better or 1) * np.array([*values, *baseline]))[: len(values)]
    return float(ranks.sum() - len(values) * (len(values) + 1) / 2) / (len(values) * len(baseline))


def corrected(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values: the k-th smallest of m times m - k + 1, never below the one before it."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values))
    found[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(values), 0, -1) * np.asarray(values)[order]))
    return [float(each) for each in found]


def within_reach(counts: Sequence[int]) -> list[bool]:
    """Return which of a table's tests could be significant, if all of them came out as small as their seeds allow."""
    return [least <= ALPHA for least in corrected([0.5 ** min(max(count, 1) - 1, EXACT_UP_TO) for count in counts])]


def reads(text: str, mean: float, half: float | None, count: int) -> bool:
    """Return whether a cell's text says these numbers, each rounded to the digits that it has."""
    share = re.fullmatch(rf"({NUMBER})/(\d+)", text)
    if share:
        return int(share[2]) == count and math.isclose(float(share[1]), mean * count, rel_tol=1e-5)
    found = re.fullmatch(rf"({NUMBER})(?:±({NUMBER}))?(?: \((\d+)\))?", text)
    if not found or (found[2] is None) != (half is None) or (found[3] and int(found[3]) != count):
        return False
    return _rounds_to(found[1], mean) and (half is None or _rounds_to(found[2], half))


def _rounds_to(text: str, value: float) -> bool:
    digits, _, power = text.partition("e")
    last = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(text) - value) <= last / 2 + 1e-9 * max(last, abs(value))
