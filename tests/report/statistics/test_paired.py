import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.report.statistics import effect_size, holm, seeds_needed, sign_flip, smallest_p


def test_p_by_hand():
    # 1 + 2 + 3 = 6; of the 8 sign patterns only +++ and --- reach it.
    assert sign_flip([1.0, 2.0, 3.0]) == [pytest.approx(2 / 8)]
    # 1 - 2 + 3 = 2: +-+ (2), +++ (6), -++ (4), --+ (0), and their negatives: 6 of 8 reach 2.
    assert sign_flip([1.0, -2.0, 3.0]) == [pytest.approx(6 / 8)]


def test_no_difference_at_all_has_p_1():
    assert sign_flip([0.0] * 5) == [1.0]


def test_equal_sums_that_round_differently_count_as_equal():
    # Sums: 0.3 or 0.1 from the first two, plus 0.6, 0 or 0 or -0.6: 12 of 16 are at least 0.3, be it 0.1 + 0.2 or 0.3.
    assert sign_flip([0.1, 0.2, 0.3, -0.3]) == [pytest.approx(12 / 16)]


@pytest.mark.parametrize("seeds", [3, 6, 9])
def test_p_is_that_of_scipys_permutation_test(seeds):
    differences = np.random.default_rng(seeds).normal(0.5, 1, seeds)
    peer = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(differences) == [pytest.approx(peer.pvalue, abs=1e-12)]


def test_drawn_patterns_come_near_the_exact_p():
    differences = np.random.default_rng(1).normal(0.4, 1, 18)
    bits = (np.arange(2**18)[:, None] >> np.arange(18)) & 1
    exact = (np.abs((1 - 2 * bits) @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert sign_flip(differences) == [pytest.approx(exact, abs=4 * math.sqrt(exact / 2**16))]


def test_p_is_repeatable_above_the_exact_count():
    rows = np.random.default_rng(2).normal(0.3, 1, (3, 20))
    assert (sign_flip(rows) == sign_flip(rows)).all()


@pytest.mark.parametrize("seeds", [6, 8, 20])
@pytest.mark.parametrize("draw", ["normal", "laplace"])
def test_error_rate_is_at_most_nominal_where_nothing_differs(seeds, draw):
    random = np.random.default_rng(seeds)
    rows = getattr(random, draw)(size=(2000 if seeds > 16 else 20_000, seeds))
    p = sign_flip(rows)
    for level in (0.05, 0.2):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level * (1 - level) / len(rows))  # of the simulation itself
    assert (p <= 0.2).mean() >= 0.15  # it does reject


@given(st.lists(st.integers(-8, 8), min_size=1, max_size=9))
def test_p_does_not_care_about_order_sign_or_scale(differences):
    (p,) = sign_flip(differences)
    assert sign_flip([-0.25 * value for value in reversed(differences)]) == [pytest.approx(p)]
    assert smallest_p(len(differences)) <= p <= 1


def test_differences_must_be_finite():
    with pytest.raises(ValueError, match="finite"):
        sign_flip([1.0, math.nan])


def test_smallest_p():
    assert [smallest_p(n) for n in (1, 3, 5, 6)] == [1.0, 0.25, 0.0625, 0.03125]
    assert smallest_p(6) == sign_flip([1.0] * 6)[0]
    assert smallest_p(20) == sign_flip([1.0] * 20)[0]


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_any_false_finding_at_5_percent():
    random = np.random.default_rng(0)
    tables = random.uniform(size=(4000, 10))
    false = np.mean([min(holm(row)) <= 0.05 for row in tables.tolist()])
    assert false == pytest.approx(0.05, abs=0.01)
    assert (tables.min(1) <= 0.05).mean() > 0.35  # what it corrects


@pytest.mark.parametrize(("tests", "seeds"), [(1, 6), (5, 8), (9, 9), (35, 11), (4000, None)])
def test_seeds_needed(tests, seeds):
    assert seeds_needed(tests) == seeds


def test_effect_size_by_hand():
    # mean 2, s 1; the factor for 2 degrees of freedom is gamma(1) / (sqrt(1) gamma(1/2)) = 1 / sqrt(pi).
    assert effect_size([1.0, 2.0, 3.0]) == pytest.approx(2 / math.sqrt(math.pi))


def test_effect_size_needs_three_that_differ():
    assert effect_size([1.0, 2.0]) is None
    assert effect_size([0.1, 0.1, 0.1]) is None
    assert effect_size([0.0, 0.0, 0.0]) is None


@pytest.mark.parametrize("seeds", [4, 10])
def test_effect_size_is_unbiased(seeds):
    draws = np.random.default_rng(seeds).normal(0.8, 1, (20_000, seeds))
    found = np.mean([effect_size(row) for row in draws.tolist()])
    assert found == pytest.approx(0.8, abs=0.02)
    assert (draws.mean(1) / draws.std(1, ddof=1)).mean() > 0.86  # what the factor corrects
