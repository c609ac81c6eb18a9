"""The generated views: denoising error by noise level, PSNR, SSIM."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harness.method.metrics.base import Metric, Observations

WINDOW, SIGMA_PX = 11, 1.5  # Wang et al. 2004


@dataclass(frozen=True)
class Views(Metric):
    """Means over scenes, noise levels or views of all values recorded about the view pass.

    Scores have the names of the recorded values: ``nvs_loss`` (guided by the model's own estimate),
    ``nvs_loss_forced`` (guided by the true views: the leak), ``nvs_loss_baseline`` (no fusion), ``nvs_loss@t500``,
    ``psnr``, ``ssim``.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the means; {} if no scene was measured."""
        return {name: values.double().mean().item() for name, values in observed.views.items() if values.numel()}


def psnr(images: Float[Tensor, "*batch c h w"], truth: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch"]:
    """Return the peak signal-to-noise ratio in dB of images in [0, 1]; at most 100, the value for equal images."""
    error = (images.double() - truth.double()).square().mean((-3, -2, -1))
    return -10 * error.clamp(min=1e-10).log10()


def ssim(images: Float[Tensor, "*batch c h w"], truth: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch"]:
    """Return the structural similarity of images in [0, 1], mean over channels and over windows inside the image.

    Gaussian window of 11 pixels, sigma 1.5, K1 = 0.01, K2 = 0.03, population variances (Wang et al., IEEE TIP 2004).
    Raises ValueError for images smaller than the window.
    """
    if min(images.shape[-2:]) < WINDOW:
        raise ValueError(f"ssim needs images of at least {WINDOW} x {WINDOW} px, not {tuple(images.shape[-2:])}")
    x, y = images.double(), truth.double()
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean((-3, -2, -1))


def _blur(images: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h2 w2"]:
    offset = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = (-(offset**2) / (2 * SIGMA_PX**2)).exp()
    weights = weights / weights.sum()
    flat = images.reshape(-1, 1, *images.shape[-2:])  # (*batch c h w) -> (*batch*c 1 h w)
    blurred = torch.conv2d(torch.conv2d(flat, weights[None, None, :, None]), weights[None, None, None, :])
    return blurred.reshape(*images.shape[:-2], *blurred.shape[-2:])  # (*batch*c 1 h2 w2) -> (*batch c h2 w2)
