import pytest
import torch

from harness.errors import UsageError
from harness.ops.geometry import orbit
from harness.ops.maps import gaussians
from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs, maps_at, true_points

# Two cameras on the horizon: in the middle row epipolar lines are that row itself.
LEVEL = orbit([0.0, 90.0], [0.0, 0.0])


def test_projections_of_one_point_cost_nothing():
    maps = maps_at(true_points())
    assert build("losses", "consistency_epipolar", {"window": 6.0})(loss_inputs(maps)) < 1e-5


def test_distance_across_the_line_counts_and_along_it_does_not():
    def loss(one, two):
        maps = torch.zeros(1, 2, 1, 40, 40)
        maps[0, 0, 0, one[0], one[1]] = maps[0, 1, 0, two[0], two[1]] = 1
        return build("losses", "consistency_epipolar")(loss_inputs(maps, cameras=(LEVEL,))).item()

    # rows 19 and 20 lie half a pixel above and below the middle row; the point on the axis: to first order both
    # views share the vertical gap evenly, so d^2 = gap^2 / 2
    assert loss((19, 20), (19, 20)) < 1e-5
    assert loss((19, 10), (19, 30)) < 1e-5
    assert loss((15, 20), (23, 20)) == pytest.approx((8 / 40) ** 2 / 2, rel=0.05)


def test_an_unsure_view_counts_less():
    def loss(elsewhere):
        maps = torch.zeros(1, 3, 1, 40, 40)
        maps[0, :2, 0, 20, 20] = maps[0, 2, 0, 26, 20] = 1
        maps[0, 2, 0, :3, 0] = elsewhere
        cameras = (orbit([0.0, 60.0, 120.0], [0.0] * 3),)
        return build("losses", "consistency_epipolar")(loss_inputs(maps, cameras=cameras)).item()

    sure = 1 / (1 + 3 * 0.5)  # the third view's mass near its peak; two of the three pairs hold that view
    assert loss(0.5) / loss(0.0) == pytest.approx((2 * sure / (1 + 2 * sure)) / (2 / 3), rel=1e-3)


def test_descent_brings_a_stray_point_back():
    stray = true_points(1).clone()
    stray[0, 2, 1] += torch.tensor([0.12, 0.0])
    positions = stray.requires_grad_()
    term = build("losses", "consistency_epipolar", {"window": 6.0})
    first = None
    for _ in range(60):
        loss = term(loss_inputs(gaussians(positions, 14, 12, 1.5)))
        first = first or loss.item()
        (gradient,) = torch.autograd.grad(loss, positions)
        positions = (positions - 0.5 * gradient).detach().requires_grad_()
    assert loss.item() < 0.2 * first


def test_data_without_cameras_is_told_so():
    with pytest.raises(UsageError, match="consistency_epipolar: the data has no cameras"):
        build("losses", "consistency_epipolar")(loss_inputs(maps_at(true_points()), cameras=None))
