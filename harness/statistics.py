"""How sure a mean over seeds is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Interval:
    """A mean over ``count`` seeds and the half width of its t interval, None where one seed gives none."""

    mean: float
    half_width: float | None
    count: int

    @property
    def low(self) -> float:
        """Return the interval's lower end; minus infinity where there is no interval."""
        return self.mean - (math.inf if self.half_width is None else self.half_width)

    @property
    def high(self) -> float:
        """Return the interval's upper end; infinity where there is no interval."""
        return self.mean + (math.inf if self.half_width is None else self.half_width)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean and the half width t(level, n - 1) * s / sqrt(n), s with n - 1 in its denominator.

    The t interval over seeds covers its level also at n = 3, which percentile bootstraps do not. Raises ValueError
    where there are no values or one of them is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a mean needs finite values, not {list(values)}")
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, _t_quantile(level, count - 1) * math.sqrt(variance / count), count)


@cache
def _t_quantile(level: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, freedom))
