import pytest
import torch

from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs, maps_at, true_points


def test_value_by_hand():
    maps = torch.zeros(1, 2, 1, 10, 20)
    maps[0, 0, 0, 2, 4] = maps[0, 1, 0, 6, 12] = 1
    # rows 0.4 apart, columns 0.4 apart: each view is 0.2 in both from the mean
    assert build("losses", "consistency_pixel")(loss_inputs(maps)).item() == pytest.approx(0.08, rel=1e-5)


def test_it_punishes_what_is_right():
    right = maps_at(true_points()).detach()
    same_pixel = right[:, :1].expand_as(right)
    pixel, epipolar = build("losses", "consistency_pixel"), build("losses", "consistency_epipolar")
    assert pixel(loss_inputs(right)) > 0.005
    assert pixel(loss_inputs(same_pixel)) < 1e-9
    assert epipolar(loss_inputs(same_pixel)) > 10 * epipolar(loss_inputs(right))
