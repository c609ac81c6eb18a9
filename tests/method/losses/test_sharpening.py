import torch

from harness.registry import build
from tests.method.losses.loss_inputs import SIGMA_PX, SIZE, loss_inputs, maps_at


def pixel_centres(*rows_columns):
    return (torch.tensor(rows_columns) + 0.5) / torch.tensor(SIZE)


def test_a_gaussian_at_a_pixel_costs_nothing():
    maps = maps_at(pixel_centres((3, 4), (10, 1))[None, None])
    assert build("losses", "sharpening")(loss_inputs(maps)) < 1e-12


def test_value_and_gradient_by_hand():
    maps = torch.zeros(1, 1, 1, 3, 2)
    maps[0, 0, 0, 2, 0] = 0.5
    maps.requires_grad_()
    loss = build("losses", "sharpening")(loss_inputs(maps, sigma_px=1.0))
    squared_px = torch.tensor([[4.0, 5.0], [1.0, 2.0], [0.0, 1.0]])  # distance of each pixel from (2, 0)
    target = torch.exp(-squared_px / 2)
    expected = ((target - maps.detach()[0, 0, 0]) ** 2).sum() / 6
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    torch.testing.assert_close(maps.grad[0, 0, 0], 2 * (maps.detach()[0, 0, 0] - target) / 6)


def test_the_canvas_has_one_gaussian_for_all_views():
    one, two = pixel_centres((3, 4), (10, 8))
    both = (maps_at(one) + 0.9 * maps_at(two)).detach()[None, None, None]
    alone = maps_at(one)[None, None, None]
    sharpening = build("losses", "sharpening")
    second_blob = (0.9 * maps_at(two)).square().mean()
    torch.testing.assert_close(sharpening(loss_inputs(both)), second_blob, rtol=1e-4, atol=1e-6)
    assert sharpening(loss_inputs(alone, sigma_px=SIGMA_PX)) < 1e-12
