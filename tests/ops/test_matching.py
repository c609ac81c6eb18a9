import pytest
import torch

from harness.ops.matching import apply_regressor, fit_regressor, fit_regressor_mirrored, match, most_frequent
from harness.ops.tensors import generator

NAN = float("nan")


def rand(*shape):
    return torch.rand(*shape, generator=generator("matching", *shape), dtype=torch.float64)


def test_most_frequent_first_and_the_lower_index_of_equals():
    chosen = torch.tensor([[[5, 1, 3]], [[5, 3, 0]], [[5, 4, 1]]])
    assert most_frequent(chosen, 8, 4).tolist() == [5, 1, 3, 0]


def test_tokens_that_were_never_chosen_fill_up():
    assert most_frequent(torch.tensor([2, 2]), 4, 3).tolist() == [2, 0, 1]


def test_match_takes_the_least_total_not_each_best():
    errors = torch.tensor([[1.0, 2.0], [1.5, 9.0]])  # the first point is best for both
    assert match(errors) == (1, 0)


@pytest.mark.parametrize(("errors", "expected"), [
    ([[5.0, 1.0, 3.0]], (-1, 0, -1)),
    ([[5.0], [1.0], [3.0]], (1,)),
    ([[NAN, 1.0], [NAN, 2.0]], (-1, 0)),
    ([[NAN, 1.0], [2.0, NAN]], (1, 0)),
    ([[1.0, 2.0], [float("inf"), 9.0]], (0, 1)),
    ([[NAN]], (-1,)),
])
def test_match_leaves_out_what_cannot_be_matched(errors, expected):
    assert match(torch.tensor(errors)) == expected


def test_a_linear_relation_without_bias_is_found_exactly():
    weights, found = rand(6, 4) - 0.5, rand(20, 3, 2)
    truth = ((found.flatten(1) - 0.5) @ weights + 0.5).unflatten(1, (2, 2))
    regressor = fit_regressor(found, truth)
    torch.testing.assert_close(regressor, weights)
    torch.testing.assert_close(apply_regressor(regressor, found), truth)


def test_the_centre_stays_the_centre():
    regressor = fit_regressor(rand(20, 3, 2), rand(20, 2, 2))
    torch.testing.assert_close(apply_regressor(regressor, torch.full((3, 2), 0.5)), torch.full((2, 2), 0.5))


def test_unseen_rows_do_not_count():
    found, truth, visible = rand(20, 3, 2), rand(20, 2, 2), torch.ones(20, 2, dtype=torch.bool)
    visible[:6, 1] = False
    spoiled = truth.clone()
    spoiled[:6, 1] = NAN
    regressor = fit_regressor(found, spoiled, visible)
    torch.testing.assert_close(regressor[:, :2], fit_regressor(found, truth)[:, :2])
    torch.testing.assert_close(regressor[:, 2:], fit_regressor(found[6:], truth[6:])[:, 2:])


def test_a_keypoint_that_is_never_seen_is_put_at_the_centre():
    visible = torch.tensor([[True, False]]).expand(9, -1)
    predicted = apply_regressor(fit_regressor(rand(9, 3, 2), rand(9, 2, 2), visible), rand(4, 3, 2))
    torch.testing.assert_close(predicted[:, 1], torch.full((4, 2), 0.5, dtype=torch.float64))


def test_fewer_samples_than_unknowns_stay_finite():
    found, truth = rand(2, 8, 2), rand(2, 3, 2)
    regressor = fit_regressor(found.float(), truth.float())
    assert regressor.isfinite().all()
    torch.testing.assert_close(apply_regressor(regressor, found), truth, atol=1e-5, rtol=0)


def test_a_regressor_of_no_sample_puts_every_keypoint_at_the_centre():
    regressor = fit_regressor_mirrored(torch.empty(0, 3, 2), torch.empty(0, 2, 2), torch.tensor([1, 0]))
    found = torch.rand(4, 3, 2, dtype=torch.float64, generator=generator("found"))
    assert torch.equal(apply_regressor(regressor, found), torch.full((4, 2, 2), 0.5, dtype=torch.float64))
