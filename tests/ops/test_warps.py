import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ops.maps import gaussians, soft_peaks
from harness.ops.tensors import generator
from harness.ops.warps import affine, inverse, random_affine, unwarp, unwarped_mean, valid, warp, warp_points

TWO_COLUMNS = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])  # on 8 columns


def theta(degrees, scale, x, y):
    return affine(torch.tensor(degrees), torch.tensor(scale), torch.tensor([x, y]))


def test_affine_by_hand():
    quarter = theta(90.0, 0.5, 0.1, -0.2)
    torch.testing.assert_close(quarter, torch.tensor([[0.0, 0.5, 0.1], [-0.5, 0.0, -0.2]]), atol=1e-7, rtol=0)


def test_a_shift_moves_by_half_the_side_times_its_size():
    images = torch.arange(8.0).expand(1, 2, 4, 8)
    assert warp(images, TWO_COLUMNS[None])[0, 1, 0].tolist() == [2, 3, 4, 5, 6, 7, 0, 0]
    assert unwarp(images, TWO_COLUMNS[None])[0, 0, 3].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]


def test_the_identity_changes_nothing_and_every_pixel_is_valid():
    images = torch.rand(2, 3, 2, 7, 5, generator=generator("warps"))
    same = theta(0.0, 1.0, 0.0, 0.0).expand(2, 3, 2, 3)
    torch.testing.assert_close(warp(images, same), images, atol=1e-6, rtol=0)
    assert valid(same, 7, 5).all()


def test_valid_leaves_out_what_the_copy_never_showed():
    shown = valid(TWO_COLUMNS, 4, 8)
    assert shown.shape == (4, 8)
    assert shown[0].tolist() == [False] * 2 + [True] * 6


def test_valid_leaves_out_pixels_that_came_from_outside_the_image():
    zoomed_out = theta(0.0, 2.0, 0.0, 0.0)  # the copy shows the image at half its size amid zeros: all of it is shown
    shown = valid(zoomed_out, 16, 16)
    assert shown[4:12, 4:12].all()
    assert not shown[0].any()  # its edge is blended with the zeros around


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_smooth_image_comes_back_wherever_it_is_valid(seed):
    drawn = random_affine(generator("back", seed), 3, 20.0, 0.8, 0.25)
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 2, 30), indexing="ij")
    ramp = (rows + columns).expand(3, 1, -1, -1)
    back, shown = unwarp(warp(ramp, drawn), drawn), valid(drawn, 24, 30)
    assert shown.any()
    assert ((back - ramp)[:, 0][shown]).abs().max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_points_go_where_the_image_goes(seed):
    drawn = random_affine(generator("points", seed), 1, 15.0, 0.8, 0.25)
    points_yx = torch.tensor([[0.5, 0.45], [0.4, 0.55]])
    moved = warp_points(points_yx[None], drawn)
    blobs = warp(gaussians(points_yx[None], 48, 64, 2.0), drawn)
    assert (soft_peaks(blobs, 6.0) - moved).abs().max() < 0.01
    torch.testing.assert_close(warp_points(moved, inverse(drawn))[0], points_yx)


def test_draws_stay_in_range_and_follow_the_generator():
    drawn = random_affine(generator("range"), 200, 15.0, 0.8, 0.25)
    again = random_affine(generator("range"), 200, 15.0, 0.8, 0.25)
    assert torch.equal(drawn, again)
    scale = drawn[:, 0, :2].norm(dim=-1)
    degrees = torch.rad2deg(torch.atan2(drawn[:, 0, 1], drawn[:, 0, 0]))
    for values, low, high in ((scale, 0.8, 1.0), (degrees, -15.0, 15.0), (drawn[..., 2], -0.25, 0.25)):
        assert low - 1e-5 <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high + 1e-5


def test_warps_carry_gradients_to_the_maps():
    maps = torch.rand(1, 1, 6, 6, generator=generator("grad")).requires_grad_()
    unwarp(maps, theta(10.0, 0.9, 0.1, 0.0)[None]).sum().backward()
    assert maps.grad.sum() == pytest.approx(36 * 0.81, rel=0.1)  # the copy shows 0.9 of each side


def test_the_mean_over_copies_weighs_each_pixel_by_what_shows_it():
    """One copy shifted by half the width shows its right half alone, and twice as bright; a still one shows all."""
    still = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    shifted = torch.tensor([[1.0, 0, 1], [0, 1, 0]])  # a place x in the copy is x + half the width in the image
    image = torch.arange(1.0, 5).expand(1, 1, 4)
    copies = [(image, still), (2 * warp(image[None], shifted[None])[0], shifted)]
    assert torch.allclose(unwarped_mean(copies), torch.tensor([[[1.0, 2.0, 4.5, 6.0]]]))
    assert torch.equal(unwarped_mean(copies[1:])[..., :2], torch.zeros(1, 1, 2))
