import math

import pytest
import torch

from harness.method.metrics.attention import Attention, effective_area, entropy, peak_mass, statistics
from harness.method.metrics.base import Observations


def observed(attention):
    views = attention["entropy"].shape[1]
    hidden = torch.zeros(1, views, 1, dtype=torch.bool)
    return Observations(torch.zeros(1, views, 1, 2), hidden, torch.ones(1, views), (8, 8), {}, attention=attention)


def test_uniform_map():
    maps = torch.full((10, 10), 0.3)
    assert entropy(maps).item() == pytest.approx(1)
    assert effective_area(maps).item() == pytest.approx(1)
    assert peak_mass(maps).item() == pytest.approx(0.01)  # on a 10 x 10 map the peak's pixel alone lies within 5%


def test_one_pixel():
    maps = torch.zeros(8, 8)
    maps[2, 5] = 7.0
    assert entropy(maps).item() == 0
    assert effective_area(maps).item() == pytest.approx(1 / 64)
    assert peak_mass(maps).item() == 1


def test_four_equal_pixels_of_sixteen():
    maps = torch.zeros(4, 4)
    maps[:2, :2] = 1
    assert entropy(maps).item() == pytest.approx(0.5)  # log 4 / log 16
    assert effective_area(maps).item() == pytest.approx(0.25)
    assert peak_mass(maps).item() == pytest.approx(0.25)


def test_peak_mass_counts_the_disc_of_5_percent_around_the_peak():
    maps = torch.zeros(40, 40)
    maps[20, 20] = 2.0
    maps[22, 20] = maps[20, 18] = 1.0  # exactly 2 of 40 pixels away: counted
    maps[22, 21] = maps[20, 23] = 1.0  # sqrt 5 and 3 pixels away: not
    assert peak_mass(maps).item() == pytest.approx(4 / 6)


def test_peak_mass_measures_rows_and_columns_of_a_wide_map_by_their_own_side():
    maps = torch.zeros(20, 40)
    maps[10, 20] = maps[11, 20] = maps[10, 22] = maps[12, 20] = 1.0  # 1/20 down, 2/40 across; 2/20 down is outside
    assert peak_mass(maps).item() == pytest.approx(3 / 4)


def test_sharper_is_lower_and_scale_does_not_matter():
    yx = (torch.arange(32) - 15.5) ** 2
    blob = {sigma: torch.exp(-(yx[:, None] + yx[None]) / (2 * sigma**2)) for sigma in (1.5, 4.0)}
    assert entropy(blob[1.5]) < entropy(blob[4.0]) < 1
    assert effective_area(blob[1.5]) < effective_area(blob[4.0])
    assert peak_mass(blob[1.5]) > peak_mass(blob[4.0])
    assert entropy(1e-3 * blob[1.5]).item() == pytest.approx(entropy(blob[1.5]).item())


def test_entropy_of_a_gaussian_is_the_closed_form():
    yx = (torch.arange(64) - 31.5).double() ** 2
    blob = torch.exp(-(yx[:, None] + yx[None]) / (2 * 3.0**2))
    assert entropy(blob).item() == pytest.approx((1 + math.log(2 * math.pi * 9)) / math.log(64 * 64), abs=1e-5)


def test_map_of_zeros_is_uniform_and_nan_stays_nan():
    maps = torch.stack([torch.zeros(4, 4), torch.full((4, 4), math.nan)])
    assert entropy(maps)[0].item() == pytest.approx(1)
    assert entropy(maps)[1].isnan()


def test_statistics_keep_the_leading_axes():
    found = statistics(torch.rand(2, 3, 5, 8, 6))
    assert set(found) == {"entropy", "peak_mass", "effective_area"}
    assert all(values.shape == (2, 3, 5) for values in found.values())


def test_scores_are_means_and_entropy_is_given_per_view():
    values = torch.tensor([[[0.2, 0.4], [0.6, 0.8]]])  # one scene, two views, two tokens
    scores = Attention()(observed({"entropy": values, "entropy_8x8": torch.tensor([[0.1, 0.3]])}))
    assert scores == pytest.approx({"entropy": 0.5, "entropy_view0": 0.3, "entropy_view1": 0.7, "entropy_8x8": 0.2})


def test_a_single_view_has_no_per_view_scores():
    assert set(Attention()(observed({"entropy": torch.tensor([[[0.5]]])}))) == {"entropy"}
