"""The autoencoder: 64 px images to 16 x 16 x 4 latents."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss

from _train_tiny.data import Pictures
from _train_tiny.loop import Training

BATCH = 8
CROP_PX = 32
CROPS_UNTIL = 0.85
KL_WEIGHT = 1e-6
EDGE_WEIGHT = 0.3
TINT_WEIGHT = 4.0
ZERO123PLUS_SHARE = 0.25
HELD_OUT = 96
SCALING_FACTOR = 0.18215  # Stable Diffusion's: what the UNet sees has deviation 1


def build() -> AutoencoderKL:
    """Return the untrained autoencoder, about half a million parameters."""
    torch.manual_seed(1)
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=8, layers_per_block=1, sample_size=64,
        block_out_channels=(16, 32, 64), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, mid_block_add_attention=False)
    with torch.no_grad():  # little posterior noise at first: it would drown a channel before the decoder reads it
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = -6
    return vae


def _edges(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.diff(dim=-1), images.diff(dim=-2)


def _loss(vae: AutoencoderKL, images: Tensor, draws: torch.Generator) -> tuple[Tensor, float]:
    posterior = vae.encode(images).latent_dist
    latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=draws)
    decoded = vae.decode(latents).sample
    edges = sum(l1_loss(a, b) for a, b in zip(_edges(decoded), _edges(images), strict=True))
    squared = mse_loss(decoded, images)
    tints = mse_loss(avg_pool2d(decoded, 4), avg_pool2d(images, 4))
    loss = l1_loss(decoded, images) + squared + EDGE_WEIGHT * edges + TINT_WEIGHT * tints
    return loss + KL_WEIGHT * posterior.kl().mean(), squared.item()


@torch.no_grad()
def psnr_db(vae: AutoencoderKL, images: Tensor) -> float:
    """Return the mean PSNR over images (n 3 h w) in [-1, 1] of decoding the latents' means."""
    errors = [((vae.decode(vae.encode(b).latent_dist.mean).sample.clamp(-1, 1) - b) / 2).square().mean((1, 2, 3))
              for b in images.split(16)]
    return float(-10 * torch.cat(errors).log10().mean())


def train(folder: Path, data: Pictures, minutes: float) -> AutoencoderKL:
    """Train for ``minutes`` and return the averaged autoencoder with its scaling factor set."""
    vae = build().to(memory_format=torch.channels_last)
    run = Training(folder, "vae", {"vae": vae}, minutes=minutes, lr=2e-3, weight_decay=0.0)
    images = data.images[:, 0]
    draws = torch.Generator().manual_seed(2 + run.step)
    held_out = images[-HELD_OUT:].float() / 127.5 - 1
    while not run.done:
        rows = torch.randint(len(images) - HELD_OUT, (BATCH,), generator=draws)
        batch = images[rows].float() / 127.5 - 1
        if run.seconds < CROPS_UNTIL * run.budget_s:  # a quarter of the cost a step, and early on steps are what counts
            top, left = torch.randint(64 - CROP_PX + 1, (2,), generator=draws).tolist()
            batch = batch[..., top : top + CROP_PX, left : left + CROP_PX]
        # Zero123++ shows its autoencoder images divided by 0.8 and centred: smaller contrast.
        contrast = torch.where(torch.rand(BATCH, generator=draws) < ZERO123PLUS_SHARE, 0.625, 1.0)
        batch = (batch * contrast[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        loss, squared = _loss(vae, batch, draws)
        run.update(loss, squared=squared)
        if run.step % 20 == 0:
            run.log()
        if run.step % 400 == 0:
            run.save()
            run.log(psnr_db=psnr_db(vae, held_out[:32]))
    run.swap()
    normalise(vae, held_out)
    run.log(psnr_db=psnr_db(vae, held_out))
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def normalise(vae: AutoencoderKL, images: Tensor, factor: float = SCALING_FACTOR) -> None:
    """Centre every latent channel and give it deviation 1 / ``factor``; what is decoded stays the same.

    Measured over ``images`` and folded into the two 1 x 1 convolutions around the latents.
    """
    latents = encode(vae, images)
    centre, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3)) * factor
    into, out_of = vae.quant_conv, vae.post_quant_conv
    into.bias[:4] = (into.bias[:4] - centre) / spread
    into.weight[:4] /= spread[:, None, None, None]
    into.bias[4:] -= 2 * spread.log()
    out_of.bias += (out_of.weight[..., 0, 0] * centre).sum(1)
    out_of.weight *= spread[None, :, None, None]
    vae.register_to_config(scaling_factor=factor)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: Tensor, batch: int = 16) -> Tensor:
    """Return the latents' means, unscaled, of images (n 3 h w) already in the autoencoder's range."""
    return torch.cat([vae.encode(b).latent_dist.mean for b in images.split(batch)])
