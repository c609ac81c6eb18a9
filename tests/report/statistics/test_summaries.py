import numpy as np
import pytest
from scipy import stats

from harness.report.statistics import interquartile_mean, probability_of_improvement


def test_interquartile_mean_by_hand():
    assert interquartile_mean([100.0, 1.0, 2.0, -50.0]) == 1.5
    assert interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # a quarter of three is less than one


@pytest.mark.parametrize("count", [1, 3, 4, 7, 10])
def test_interquartile_mean_is_scipys_trimmed_mean(count):
    values = np.random.default_rng(count).normal(size=count)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-12)


def test_interquartile_mean_is_steadier_than_the_mean_where_seeds_fail():
    random = np.random.default_rng(0)
    draws = random.normal(0.5, 0.05, (4000, 10))
    draws[random.uniform(size=draws.shape) < 0.05] = 0.0  # a run that broke
    found = np.array([interquartile_mean(row) for row in draws])
    assert abs(found - 0.5).mean() < 0.7 * abs(draws.mean(1) - 0.5).mean()


def test_probability_of_improvement_by_hand():
    # Of the 6 pairs 2 > 1, 3 > 1, 3 > 2 win, 2 = 2 ties, 1 = 1 ties, 1 < 2 loses.
    assert probability_of_improvement([1, 2, 3], [1, 2]) == pytest.approx(4 / 6)
    assert probability_of_improvement([1, 2, 3], [1, 2], better=-1) == pytest.approx(2 / 6)
    assert probability_of_improvement([1.0], [1.0]) == 0.5
    assert probability_of_improvement([1, 2, 3], [1, 2], better=0) is None  # neither more nor less is better


def test_probability_of_improvement_is_mann_and_whitneys():
    one, other = np.random.default_rng(3).normal(size=(2, 7)).round(1)
    expected = stats.mannwhitneyu(one, other).statistic / 49
    assert probability_of_improvement(one, other) == pytest.approx(expected)


@pytest.mark.parametrize("seeds", [3, 10])
def test_probability_of_improvement_is_unbiased(seeds):
    random = np.random.default_rng(seeds)
    ours, theirs = random.normal(1, 1, (10_000, seeds)), random.normal(0, 1, (10_000, seeds))
    found = np.mean([probability_of_improvement(a, b) for a, b in zip(ours, theirs, strict=True)])
    assert found == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.01)
