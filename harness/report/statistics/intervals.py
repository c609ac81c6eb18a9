"""Confidence intervals of a mean: over seeds, and over seeds and scenes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over ``count`` seeds and the half width of its interval, None for one seed."""

    mean: float
    half_width: float | None
    count: int

    @property
    def low(self) -> float:
        """Return the interval's lower end; minus infinity without an interval."""
        return self.mean - (math.inf if self.half_width is None else self.half_width)

    @property
    def high(self) -> float:
        """Return the interval's upper end; infinity without an interval."""
        return self.mean + (math.inf if self.half_width is None else self.half_width)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean and the half width t(level, n - 1) * s / sqrt(n), s with n - 1 in its denominator.

    The t interval over seeds covers its level also at n = 3, which percentile bootstraps do not. Raises ValueError
    without values, or if one of them is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a mean needs finite values, not {list(values)}")
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, t_quantile(level, count - 1) * math.sqrt(variance / count), count)


def two_way_interval(
    numerators: ArrayLike, denominators: ArrayLike | None = None, *, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the interval of a share or mean over random seeds and random scenes.

    Both arrays are n seeds x M scenes: each scene's part of the numerator and of the denominator of the pooled share,
    such as hits and visible points; without denominators all scenes count equally. Every seed uses the same scenes, so
    seeds and scenes are resampled independently (Owen's pigeonhole bootstrap), not scenes within seeds. Percentiles of
    few seeds fall short of their level. Here the resamples give only the variances due to seeds, scenes and the rest,
    each enlarged by the n / (n - 1) that resampling loses; the quantiles are Student's t:
    half width^2 = t(n - 1)^2 max(seeds - rest, 0) + t(M - 1)^2 scenes. Raises ValueError below two seeds or two scenes.
    """
    above = np.asarray(numerators, dtype=float)
    below = np.ones_like(above) if denominators is None else np.asarray(denominators, dtype=float)
    if above.ndim != 2 or min(above.shape) < 2 or below.shape != above.shape:
        raise ValueError(f"needs two equal arrays of at least 2 seeds x 2 scenes, not {above.shape} and {below.shape}")
    (seeds, scenes), mean = above.shape, above.sum() / below.sum()
    by_seed, by_scene = _draws(seeds, seed), _draws(scenes, seed + 1)
    of_seeds = _pooled(by_seed @ above.sum(1), by_seed @ below.sum(1), mean)
    of_scenes = _pooled(by_scene @ above.sum(0), by_scene @ below.sum(0), mean)
    both = _pooled(((by_seed @ above) * by_scene).sum(1), ((by_seed @ below) * by_scene).sum(1), mean)
    rest = both - of_seeds - of_scenes + mean
    lost = seeds / (seeds - 1), scenes / (scenes - 1)
    part_seeds, part_scenes = of_seeds.var() * lost[0], of_scenes.var() * lost[1]
    part_rest = rest.var() * lost[0] * lost[1]
    squared = t_quantile(level, seeds - 1) ** 2 * max(part_seeds - part_rest, 0.0)
    squared += t_quantile(level, scenes - 1) ** 2 * part_scenes
    return Interval(float(mean), math.sqrt(squared), seeds)


@cache
def t_quantile(level: float, freedom: int) -> float:
    """Return the two-sided quantile of Student's t with ``freedom`` degrees of freedom at a level."""
    from scipy.special import stdtrit  # as scipy.stats.t.ppf; importing scipy.stats takes a second

    return float(stdtrit(freedom, (1 + level) / 2))


@cache
def _draws(count: int, seed: int) -> NDArray[Any]:
    """Return how often each of ``count`` items is drawn in each resample."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def _pooled(above: NDArray[Any], below: NDArray[Any], mean: float) -> NDArray[Any]:
    """Return the pooled share of each resample; ``mean`` for a resample with an empty denominator."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), mean)
