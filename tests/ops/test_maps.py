import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ops.maps import entropy, gaussians, kl_to_peak, mask_black, peak_share, peaks, peaks_px, soft_peaks
from harness.ops.tensors import generator


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=generator("maps", seed))


def test_peaks_are_pixel_centres_row_first_and_the_first_of_equals():
    maps = torch.zeros(2, 4, 5)
    maps[0, 3, 1] = 2
    maps[1, 1, 4] = maps[1, 2, 0] = 1
    assert peaks_px(maps).tolist() == [[3, 1], [1, 4]]
    torch.testing.assert_close(peaks(maps), torch.tensor([[3.5 / 4, 1.5 / 5], [1.5 / 4, 4.5 / 5]]))


def test_soft_peaks_by_hand():
    maps = torch.zeros(1, 6, 10)
    maps[0, 2, 3], maps[0, 2, 4], maps[0, 5, 9] = 3.0, 1.0, 1.0
    # window of 1 pixel: rows 2, columns 3 and 4 with weights 3 and 1
    torch.testing.assert_close(soft_peaks(maps, 1.0), torch.tensor([[2.5 / 6, 3.75 / 10]]))
    # temperature 1/2 squares the weights: 9 and 1
    torch.testing.assert_close(soft_peaks(maps, 1.0, 0.5), torch.tensor([[2.5 / 6, 3.6 / 10]]))
    # the whole map: rows 2.5, 2.5, 5.5 and columns 3.5, 4.5, 9.5 with weights 3, 1, 1
    torch.testing.assert_close(soft_peaks(maps), torch.tensor([[3.1 / 6, 4.9 / 10]]))


def test_soft_peaks_are_differentiable_also_on_an_empty_map():
    maps = rand(3, 6, 5)
    maps[2] = 0
    maps.requires_grad_()
    found = soft_peaks(maps, 2.0, 0.5)
    torch.testing.assert_close(found[2].detach(), torch.tensor([0.5 / 6, 0.5 / 5]))
    found.sum().backward()
    assert maps.grad.isfinite().all()
    assert (maps.grad[:2] != 0).any()


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_soft_peaks_find_a_blobs_centre_between_pixels(row, column):
    blob = gaussians(torch.tensor([row, column]), 30, 40, 1.5)
    found = soft_peaks(blob, 6.0)
    assert (found - torch.tensor([row, column])).abs().max() < 0.01  # a third of a pixel
    assert (found - torch.tensor([row, column])).norm() <= (peaks(blob) - torch.tensor([row, column])).norm() + 2e-3


def test_peak_share_by_hand():
    maps = torch.zeros(3, 5, 7)
    maps[0, 2, 3], maps[0, 2, 4], maps[0, 4, 3] = 2.0, 1.0, 1.0
    maps[1] = 1
    # flat: the peak is the first pixel; within 1 pixel of it lie 3 of 35
    torch.testing.assert_close(peak_share(maps, 1.0), torch.tensor([0.75, 3 / 35, 0.0]))


def test_gaussians_by_hand():
    blob = gaussians(torch.tensor([0.5 / 3, 1.0]), 3, 4, 2.0)  # centre: row 0's middle, the right edge
    assert blob[0, 3].item() == pytest.approx(math.exp(-0.25 / 8))
    assert blob[2, 0].item() == pytest.approx(math.exp(-(4 + 3.5**2) / 8))


@pytest.mark.parametrize("divergence", ["softmax", "sum"])
@pytest.mark.parametrize("shape", [(2, 3, 9, 13), (4, 20, 6)])
def test_kl_and_entropy_equal_their_definitions(divergence, shape):
    maps = rand(*shape) ** 3
    target = gaussians(peaks(maps), *shape[-2:], 1.7).double() + 1e-5
    target = (target / target.sum((-2, -1), keepdim=True)).flatten(-2)
    scaled = maps.double() / maps.double().amax((-2, -1), keepdim=True) + 1e-5
    shares = maps.double().flatten(-2).softmax(-1) if divergence == "softmax" else (
        (scaled / scaled.sum((-2, -1), keepdim=True)).flatten(-2)
    )
    expected = (target * (target / shares).log()).sum(-1)
    torch.testing.assert_close(kl_to_peak(maps, 1.7, divergence).double(), expected, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(entropy(maps, divergence).double(), -(shares * shares.log()).sum(-1), atol=2e-5, rtol=0)


def test_kl_is_0_only_for_the_gaussian_itself_and_grows_with_the_spread():
    centre = torch.tensor([5.5 / 12, 7.5 / 16])
    spreads = [kl_to_peak(gaussians(centre, 12, 16, sigma), 1.5).item() for sigma in (1.5, 2.0, 3.0, 6.0)]
    assert spreads[0] == pytest.approx(0, abs=1e-5)
    assert spreads == sorted(spreads)
    assert spreads[1] > 0.05
    flat = kl_to_peak(torch.zeros(12, 16), 1.5)
    assert flat.isfinite()
    torch.testing.assert_close(kl_to_peak(torch.ones(12, 16), 1.5), flat)


def test_kl_does_not_depend_on_height_under_sum():
    maps = rand(4, 8, 8)
    torch.testing.assert_close(kl_to_peak(maps, 1.5), kl_to_peak(maps * 1e-3, 1.5), atol=1e-5, rtol=1e-4)


def test_an_unknown_divergence_is_named():
    with pytest.raises(ValueError, match=r"'mean': expected one of softmax, sum"):
        kl_to_peak(rand(4, 4), 1.0, "mean")


def test_mask_black_clears_the_black_half():
    image = torch.ones(3, 8, 12)
    image[:, :, 6:] = 0
    kept = mask_black(torch.ones(2, 4, 6), image)
    assert kept[:, :, :3].eq(1).all()
    assert kept[:, :, 3:].eq(0).all()
