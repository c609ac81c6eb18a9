import pytest
import torch

from harness.method.metrics.base import Observations
from harness.method.metrics.views import Views, psnr, ssim
from harness.ops.tensors import generator


def test_scores_are_means():
    views = {"nvs_loss": torch.tensor([[0.1, 0.2], [0.3, 0.4]]), "nvs_loss@t500": torch.tensor([0.2, 0.4])}
    seen = Observations(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1) > 0, torch.ones(1, 1), (8, 8), {}, views=views)
    assert Views()(seen) == pytest.approx({"nvs_loss": 0.25, "nvs_loss@t500": 0.3})


def test_psnr_by_hand():
    truth = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
    images = truth.clone()
    images[0] += 0.1
    assert psnr(images, truth).tolist() == pytest.approx([20.0, 100.0])


def test_ssim_of_an_image_with_itself_is_1():
    image = torch.rand(2, 3, 20, 16, generator=generator("ssim"))
    assert ssim(image, image).tolist() == pytest.approx([1.0, 1.0])


def test_ssim_of_flat_images_is_the_luminance_term():
    dark, light = torch.full((2, 3, 16, 16), 0.2, dtype=torch.float64)
    light = light + 0.4
    expected = (2 * 0.2 * 0.6 + 0.0001) / (0.2**2 + 0.6**2 + 0.0001)
    assert ssim(dark, light).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_of_one_window_equals_the_definition():
    x, y = torch.rand(2, 1, 11, 11, generator=generator("window")).double()
    offset = torch.arange(11).double() - 5
    line = torch.exp(-(offset**2) / 4.5)
    weights = line[:, None] * line[None] / line.sum() ** 2
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    expected = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    expected /= (mean_x**2 + mean_y**2 + 1e-4) * (variance_x + variance_y + 9e-4)
    assert ssim(x, y).item() == pytest.approx(expected.item(), abs=1e-12)


def test_ssim_names_an_image_that_is_too_small():
    with pytest.raises(ValueError, match=r"at least 11 x 11 px, not \(8, 16\)"):
        ssim(torch.zeros(3, 8, 16), torch.zeros(3, 8, 16))
