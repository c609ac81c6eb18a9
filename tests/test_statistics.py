import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import Interval, mean_interval


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
