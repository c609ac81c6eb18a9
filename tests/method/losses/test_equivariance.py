import pytest
import torch

from harness.errors import UsageError
from harness.ops.warps import warp
from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs

TWO_COLUMNS = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])  # the copy starts at column 0.5 * 8 / 2 = 2


def seen(maps, warped, theta):
    return loss_inputs(maps, warped_maps=warped, theta=theta.expand(*maps.shape[:2], 2, 3))


def columns_lit(*columns):
    maps = torch.zeros(1, 1, 1, 4, 8)
    maps[..., list(columns)] = 1
    return maps


def test_a_map_that_moves_with_the_image_costs_nothing():
    maps = torch.rand(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    moved = warp(maps, TWO_COLUMNS.expand(2, 3, 2, 3))
    assert build("losses", "equivariance")(seen(maps, moved, TWO_COLUMNS)) < 1e-12


@pytest.mark.parametrize(("border", "expected"), [("masked", 2 / 6), ("zeros", 3 / 8)])
def test_value_by_hand(border, expected):
    # the copy says that column 5 is lit, the image says 0 and 3; the copy never showed columns 0 and 1
    maps, copy = columns_lit(0, 3), columns_lit(3)
    loss = build("losses", "equivariance", {"border": border})(seen(maps, copy, TWO_COLUMNS))
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_gradient_reaches_both_passes():
    maps, copy = columns_lit(3).requires_grad_(), columns_lit(3).requires_grad_()
    build("losses", "equivariance")(seen(maps, copy, TWO_COLUMNS)).backward()
    assert maps.grad.abs().sum() > 0
    assert copy.grad.abs().sum() > 0


def test_a_warp_that_shows_nothing_costs_nothing():
    away = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]])
    assert build("losses", "equivariance")(seen(columns_lit(1), columns_lit(2), away)) == 0


def test_a_trial_without_copies_is_told_so():
    with pytest.raises(UsageError, match="equivariance: the trial makes no warped copies"):
        build("losses", "equivariance")(loss_inputs(columns_lit(1)))
