"""UNets with random weights, as the harness's models, and scenes of random latents: time does not depend on values."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from _bench._turns import device
from harness.config.spec import Choice, TrialSpec
from harness.method.encode import Split
from harness.method.passes import Passes
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.parts import Condition, Parts
from harness.ops.tensors import generator
from harness.ops.warps import random_affine
from harness.registry import build

LAYERS = (0, 1, 2, 3)  # as StableKeypoints: the first four of the up path


@dataclass(frozen=True)
class Size:
    """Channels and width of a UNet of Stable Diffusion's shape, its latents' side, and the maps' side."""

    channels: tuple[int, int, int, int]
    width: int
    latent_side: int
    map_side: int
    groups: int = 32


SIZES = {
    "tiny": Size((8, 8, 16, 16), 16, 8, 16, groups=4),
    "quick": Size((64, 128, 256, 256), 768, 16, 64),
    "small": Size((64, 128, 256, 256), 768, 32, 128),
    "sd15": Size((320, 640, 1280, 1280), 768, 64, 128),
}


def unet(size: Size) -> Any:
    """Return a random UNet of Stable Diffusion 1.5's shape."""
    torch.manual_seed(0)
    blocks = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    made = UNet2DConditionModel(
        sample_size=size.latent_side, block_out_channels=size.channels, cross_attention_dim=size.width,
        attention_head_dim=8, norm_num_groups=size.groups, down_block_types=(*[blocks[0]] * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *[blocks[1]] * 3),
    )
    return made.to(device()).eval().requires_grad_(False)


class _Text(nn.Module):
    """Text states of the right shape."""

    model_max_length = 77

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, ids: Tensor) -> tuple[Tensor]:
        return (torch.randn(1, 77, self.width, generator=generator("text")),)


class _Vae(nn.Module):
    config = {"block_out_channels": (1,) * 4}  # noqa: RUF012, diffusers' too is an attribute


def _ids(*args: Any, **options: Any) -> Any:
    return SimpleNamespace(input_ids=torch.zeros(1, 77, dtype=torch.long))


_ids.model_max_length = 77  # type: ignore[attr-defined]


def diffusion(size: Size) -> Diffusion:
    """Return a random model; it has no autoencoder."""
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return Diffusion(Parts(unet(size), _Vae(), _Text(size.width), _ids, scheduler), "fp32", device())


def spec(size: Size, tokens: int, **settings: Any) -> TrialSpec:
    """Return the settings of a trial as StableKeypoints' preset has them, one step long."""
    plain: dict[str, Any] = {
        "steps": 1, "keypoints": min(10, tokens), "scenes_per_step": 1, "timestep": 0, "layers": LAYERS,
        "map_side": size.map_side, "sigma_px": 2.0, "learning_rate": 0.005, "view_scenes": 0,
    }
    return TrialSpec(Choice("random"), Choice("random"), Choice("none"), Choice("gaussian_fps"), (), tokens=tokens,
                     **{**plain, **settings})


def passes(size: Size, tokens: int, fusion: str = "none", **settings: Any) -> Passes:
    """Return the passes of a trial on a random model."""
    chosen = spec(size, tokens, **settings)
    return Passes(diffusion(size), build("fusion", fusion), chosen)


def scenes(size: Size, count: int = 2, views: int = 1) -> Split:
    """Return random scenes with two warped copies of each view."""
    side, draws = size.latent_side, generator("bench scenes")
    theta = random_affine(draws, count * 2 * views, 15.0, 0.8, 0.25).unflatten(0, (count, 2, views))
    latents = torch.randn(count, views, 4, side, side, generator=draws).to(device())
    warped = torch.randn(count, 2, views, 4, side, side, generator=draws).to(device())
    return Split(latents, torch.rand(count, views, 1, 2), torch.ones(count, views, 1, dtype=torch.bool),
                 torch.ones(count, views), (8 * side, 8 * side), Condition(), warped, theta.to(device()))
