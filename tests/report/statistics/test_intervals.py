import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.statistics import Interval, mean_interval, two_way_interval
from harness.report.statistics.intervals import t_quantile


def test_interval_of_three_by_hand():
    found = mean_interval([1.0, 2.0, 3.0])  # s = 1, t(0.975, 2) = 4.302653
    assert (found.mean, found.count) == (2.0, 3)
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert (found.low, found.high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)


def test_interval_of_two_at_90_percent():
    found = mean_interval([0.0, 2.0], level=0.90)  # s = sqrt 2, t(0.95, 1) = 6.313752
    assert found.half_width == pytest.approx(6.313752, abs=1e-6)


def test_one_value_has_no_interval():
    found = mean_interval([0.5])
    assert found == Interval(0.5, None, 1)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_equal_values_have_an_interval_of_nothing():
    assert mean_interval([0.25] * 4) == Interval(0.25, 0.0, 4)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_values_must_be_finite(values):
    with pytest.raises(ValueError, match="a mean needs finite values"):
        mean_interval(values)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(-1e3, 1e3))
def test_shift_moves_the_mean_and_keeps_the_width(values, shift):
    one, other = mean_interval(values), mean_interval([value + shift for value in values])
    assert other.mean == pytest.approx(one.mean + shift, abs=1e-8)
    assert other.half_width == pytest.approx(one.half_width, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_interval_over_seeds_covers_the_mean_in_95_of_100(seeds):
    draws = np.random.default_rng(seeds).normal(0.4, 0.1, (20_000, seeds))
    half = t_quantile(0.95, seeds - 1) * draws.std(1, ddof=1) / math.sqrt(seeds)
    assert half[0] == pytest.approx(mean_interval(draws[0].tolist()).half_width, rel=1e-12)
    assert (np.abs(draws.mean(1) - 0.4) <= half).mean() == pytest.approx(0.95, abs=0.005)


def two_way_coverage(seeds, scenes, spreads, repeats):
    """How often the interval holds the mean of values that seeds, scenes and their pairs each vary."""
    random = np.random.default_rng(seeds)
    of_seed, of_scene, of_pair = spreads
    inside = 0
    for _ in range(repeats):
        values = of_seed * random.normal(size=(seeds, 1)) + of_scene * random.normal(size=(1, scenes))
        found = two_way_interval(values + of_pair * random.normal(size=(seeds, scenes)))
        inside += found.low <= 0 <= found.high
    return inside / repeats


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_interval_over_seeds_and_scenes_covers_the_mean_where_both_matter(seeds):
    assert two_way_coverage(seeds, 40, (0.3, 1.0, 1.0), 1500) == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spreads", [(1, 0.5, 1), (0.3, 1, 1), (0.16, 1, 0.5), (0.02, 1, 1), (0, 0, 1)])
def test_interval_over_seeds_and_scenes_covers_whatever_varies(seeds, spreads):
    assert two_way_coverage(seeds, 40, spreads, 6000) == pytest.approx(0.95, abs=0.02)


def test_interval_over_seeds_and_scenes_by_hand():
    # No seed differs from another: only scenes vary, s = 1, and t(0.975, 2) / sqrt 3 = 2.484138.
    found = two_way_interval([[1, 2, 3], [1, 2, 3]])
    assert found.mean == 2
    assert found.half_width == pytest.approx(2.484138, rel=0.05)  # of 2000 resamples
    # No scene differs from another: only seeds vary.
    assert two_way_interval([[1, 1], [2, 2], [3, 3]]).half_width == pytest.approx(2.484138, rel=0.05)


def test_interval_of_a_share_pools_points_over_scenes():
    found = two_way_interval([[1, 0], [2, 0]], [[2, 8], [2, 8]])
    assert found.mean == pytest.approx(3 / 20)


def test_scenes_without_a_point_count_nothing():
    hits, points = [[1, 0, 3], [2, 0, 3]], [[4, 0, 4], [4, 0, 4]]
    assert math.isfinite(two_way_interval(hits, points).half_width)


@pytest.mark.parametrize("values", [[[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0]])
def test_interval_over_seeds_and_scenes_needs_two_of_each(values):
    with pytest.raises(ValueError, match="at least 2 seeds x 2 scenes"):
        two_way_interval(values)
