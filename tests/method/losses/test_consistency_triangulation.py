import pytest
import torch

from harness.errors import UsageError
from harness.ops.geometry import orbit
from harness.ops.maps import gaussians
from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs, maps_at, true_points


def lit(points_px, side=40):
    maps = torch.zeros(1, len(points_px), 1, side, side)
    for view, (row, column) in enumerate(points_px):
        maps[0, view, 0, row, column] = 1
    return maps


def test_projections_of_one_point_cost_nothing():
    maps = maps_at(true_points())
    assert build("losses", "consistency_triangulation", {"window": 6.0})(loss_inputs(maps)) < 1e-5


@pytest.mark.parametrize(("delta", "rel"), [(0.5, 0.05), (0.01, 0.1)])
def test_value_by_hand(delta, rel):
    # two cameras on the horizon, 90 degrees apart; the object's axis seen 8 of 40 rows apart: the point lies half-way,
    # 0.1 sides from either
    cameras = (orbit([0.0, 90.0], [0.0, 0.0]),)
    term = build("losses", "consistency_triangulation", {"delta": delta})
    loss = term(loss_inputs(lit([(16, 20), (24, 20)]), cameras=cameras)).item()
    expected = 0.1**2 / 2 if delta > 0.1 else delta * (0.1 - delta / 2)
    assert loss == pytest.approx(expected, rel=rel)


def test_along_the_epipolar_line_a_third_view_disagrees():
    level = orbit([0.0, 60.0, 120.0], [0.0] * 3)
    moved = lit([(20, 20), (20, 20), (20, 28)])
    still = lit([(20, 20), (20, 20), (20, 20)])
    term, epipolar = build("losses", "consistency_triangulation"), build("losses", "consistency_epipolar")
    assert term(loss_inputs(moved, cameras=(level,))) > 50 * term(loss_inputs(still, cameras=(level,)))
    assert epipolar(loss_inputs(moved, cameras=(level,))) < 1e-4


def test_descent_brings_a_stray_point_back():
    stray = true_points(1).clone()
    stray[0, 2, 1] += torch.tensor([0.0, 0.15])
    positions, term, first = stray.requires_grad_(), build("losses", "consistency_triangulation", {"window": 6.0}), None
    for _ in range(60):
        loss = term(loss_inputs(gaussians(positions, 14, 12, 1.5)))
        first = first or loss.item()
        (gradient,) = torch.autograd.grad(loss, positions)
        positions = (positions - gradient).detach().requires_grad_()
    assert loss.item() < 0.3 * first


def test_cameras_at_one_place_leave_nothing_to_triangulate():
    maps = maps_at(true_points(1))
    loss = build("losses", "consistency_triangulation")(loss_inputs(maps, cameras=(orbit([20.0] * 6, [10.0] * 6),)))
    loss.backward()
    assert loss == 0
    assert maps.grad.abs().sum() == 0


def test_data_without_cameras_is_told_so():
    with pytest.raises(UsageError, match="consistency_triangulation: the data has no cameras"):
        build("losses", "consistency_triangulation")(loss_inputs(maps_at(true_points()), cameras=None))
