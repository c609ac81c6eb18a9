"""What labels decide on the fit split, on points worked out by hand."""

import torch

from harness.method.encode import Split
from harness.method.evaluate import assign_keypoints, hold_out
from harness.method.localise import Located
from harness.models.pipelines.parts import Condition

HEAD, TAIL = (0.2, 0.2), (0.8, 0.8)


def split(scenes, visible=None):
    """``scenes`` of one view, with a head and a tail; images of 100 px, normaliser 50."""
    shown = torch.ones(scenes, 1, 2, dtype=torch.bool) if visible is None else torch.tensor(visible)[:, None]
    truth = torch.tensor([HEAD, TAIL]).expand(scenes, 1, 2, 2)
    return Split(torch.zeros(scenes, 1, 1, 1, 1), truth, shown, torch.full((scenes, 1), 50.0), (100, 100), Condition())


def located(tokens):
    """Points of each token, one per scene: ``tokens[n][m]``."""
    points = torch.tensor(tokens, dtype=torch.float64).transpose(0, 1)[:, None]
    return Located(points, {}, torch.empty(0, 1, 0, 1, 1))


def test_each_half_is_scored_with_the_ties_of_the_other():
    # Token 0 marks the head in even scenes and the tail in odd ones, token 1 the other way round: each half ties them
    # so that the other half is wrong everywhere, though ties made on all scenes would be right half of the time.
    swapping = located([[HEAD, TAIL, HEAD, TAIL], [TAIL, HEAD, TAIL, HEAD]])
    fit = hold_out(swapping, split(4), torch.tensor([0, 1]))
    torch.testing.assert_close(fit.error_px, torch.full((4, 1, 2), 60 * 2**0.5, dtype=torch.float64))
    steady = located([[TAIL] * 4, [HEAD] * 4])
    assert hold_out(steady, split(4), torch.tensor([0, 1])).error_px.abs().max() < 1e-5


def test_only_the_kept_tokens_are_tied():
    three = located([[HEAD] * 4, [TAIL] * 4, [(0.5, 0.5)] * 4])
    fit = hold_out(three, split(4), torch.tensor([2, 1]))
    torch.testing.assert_close(fit.error_px[..., 0], torch.full((4, 1), 30 * 2**0.5, dtype=torch.float64))
    assert fit.error_px[..., 1].abs().max() < 1e-5


def test_a_keypoint_that_the_other_half_never_shows_has_no_token():
    visible = [[True, True], [True, False], [True, True], [True, False]]  # odd scenes show no tail
    fit = hold_out(located([[HEAD] * 4, [TAIL] * 4]), split(4, visible), torch.tensor([0, 1]))
    assert fit.error_px[0::2, 0, 1].isnan().all()  # even scenes are tied by the odd ones
    assert fit.error_px[1::2, 0, 1].isfinite().all()
    assert fit.error_px[..., 0].isfinite().all()


def test_a_half_that_shows_nothing_ties_nothing():
    visible = [[True, True], [False, False]]
    fit = hold_out(located([[HEAD] * 2, [TAIL] * 2]), split(2, visible), torch.tensor([0, 1]))
    assert fit.error_px[0].isnan().all()


def test_one_scene_cannot_be_held_out():
    assert hold_out(located([[HEAD], [TAIL]]), split(1), torch.tensor([0, 1])) is None


def test_ties_are_those_of_least_error_over_all_scenes():
    found = located([[(0.5, 0.5)] * 3, [TAIL] * 3, [HEAD] * 3])
    ties = assign_keypoints(found, split(3), torch.tensor([0, 1]))
    assert ties.matched == (0, 1)  # of the kept ones
    assert ties.oracle == (2, 1)
