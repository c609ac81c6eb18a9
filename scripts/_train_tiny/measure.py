"""What the model cards report: named colours found in samples, and generated canvases against the truth."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, StableDiffusionPipeline
from torch import Tensor

from _train_tiny import tiny_sd
from _train_tiny.data import Pictures
from _train_tiny.grounding import peaks_yx, record
from _train_tiny.text import Captions
from harness.data.figures import PALETTE
from harness.models.pipelines.zero123plus import Zero123Plus

SAMPLES = 64
SD_STEPS, SD_GUIDANCE = 40, 3.0
SAMPLINGS = ((24, 2.0), (12, 1.0))  # steps and guidance of generated canvases; the last are what experiments use
WINDOW_PX = 2
SHADES = (0.35, 0.5, 0.65, 0.8, 1.0)


def caption(family: str, phrases: Sequence[str]) -> str:
    """Return the caption as `figures` words it."""
    return f"a {family} with " + ", ".join(f"{'an' if p[0] in 'aeiou' else 'a'} {p}" for p in phrases)


def nearest_colour(pixels: Tensor) -> Tensor:
    """Return the index of the palette colour nearest to pixels (n 3) at any of five shades."""
    palette = torch.tensor(list(PALETTE.values()))
    shaded = torch.stack([palette * shade for shade in SHADES])
    return (pixels[:, None, None] - shaded).norm(dim=-1).amin(1).argmin(-1)


def colours_at(images: Tensor, points_yx: Tensor) -> Tensor:
    """Return the palette index of the median colour of 5 x 5 pixels around each point: (b 3 h w), (b P 2) -> (b P)."""
    side = images.shape[-1]
    rows = []
    for image, points in zip(images, points_yx, strict=True):
        medians = []
        for row, column in (points * side).long().clamp(WINDOW_PX, side - 1 - WINDOW_PX).tolist():
            window = image[:, row - WINDOW_PX : row + WINDOW_PX + 1, column - WINDOW_PX : column + WINDOW_PX + 1]
            medians.append(window.flatten(1).median(-1).values)
        rows.append(nearest_colour(torch.stack(medians)))
    return torch.stack(rows)


class ColourReading:
    """Say which colour each part has: find it by the map of its colourless phrase, look at the pixels there."""

    def __init__(self, pipeline: StableDiffusionPipeline, captions: Captions) -> None:
        """Read with the pipeline's own UNet, at timestep 50."""
        self.pipeline, self.captions = pipeline, captions
        self.noising = tiny_sd.scheduler()

    @torch.no_grad()
    def parts_yx(self, latents: Tensor, families: Sequence[str], phrases: Sequence[Sequence[str]]) -> Tensor:
        """Return the peak of each part's map, (n P 2), for latents in the UNet's scale."""
        kept = record(self.pipeline.unet)
        ids, member = self.captions.colourless(families, phrases)
        timesteps = torch.full((len(ids),), tiny_sd.READ_TIMESTEP)
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(9))
        states = self.pipeline.text_encoder(ids).last_hidden_state
        self.pipeline.unet(self.noising.add_noise(latents, noise, timesteps), timesteps, states)
        return peaks_yx(kept, member, torch.zeros(1, 1, 16, 16))


def named(phrases: Sequence[Sequence[str]]) -> Tensor:
    """Return the palette index of each phrase's colour, (n P)."""
    names = list(PALETTE)
    return torch.tensor([[names.index(phrase.split()[0]) for phrase in row] for row in phrases])


@torch.no_grad()
def colour_shares(folder: Path, captions: Captions, card: Pictures) -> tuple[dict[str, float], Tensor]:
    """Return how often parts have their named colour, in samples, real pictures and by chance; and the samples."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    families, phrases = card.families[:SAMPLES], card.phrases[:SAMPLES]
    texts = [caption(f, p) for f, p in zip(families, phrases, strict=True)]
    latents = pipeline(texts, num_inference_steps=SD_STEPS, guidance_scale=SD_GUIDANCE, output_type="latent",
                       generator=torch.Generator().manual_seed(10)).images
    factor = pipeline.vae.config.scaling_factor
    samples = torch.cat([pipeline.vae.decode(z / factor).sample for z in latents.split(16)])
    real = card.images[:SAMPLES, 0].float() / 127.5 - 1
    real_latents = torch.cat([pipeline.vae.encode(x).latent_dist.mean for x in real.split(16)]) * factor
    reading = ColourReading(pipeline, captions)
    truth = named(phrases)
    found = colours_at(samples / 2 + 0.5, reading.parts_yx(latents, families, phrases))
    in_real = colours_at(real / 2 + 0.5, reading.parts_yx(real_latents, families, phrases))
    visible = card.visible[:SAMPLES, 0]
    shares = {"samples": (found == truth).float().mean(), "chance": (found == truth.roll(1, 0)).float().mean(),
              "real": (in_real == truth)[visible].float().mean()}
    return {name: round(float(share), 3) for name, share in shares.items()}, (samples / 2 + 0.5).clamp(0, 1)


def psnr_db(made: Tensor, truth: Tensor) -> float:
    """Return the mean over canvases of the PSNR of six views (n 6 3 h w) in [0, 1]."""
    return round(float((-10 * (made - truth).square().mean((1, 2, 3, 4)).log10()).mean()), 2)


@torch.no_grad()
def paint(model: Zero123Plus, conditions: Tensor, steps: int, guidance: float) -> Tensor:
    """Return six generated views (n 6 3 64 64) for condition images (n 3 64 64), by ancestral Euler sampling."""
    sampler = EulerAncestralDiscreteScheduler.from_config(model.parts.scheduler.config, timestep_spacing="trailing")
    sampler.set_timesteps(steps)
    draws = torch.Generator().manual_seed(11)
    known = model.encode_condition(conditions)
    nothing = model.no_condition(known)
    latents = torch.randn(len(conditions), 6, 4, 16, 16, generator=draws) * sampler.init_noise_sigma
    for step in sampler.timesteps:
        noisy = sampler.scale_model_input(latents, step)
        timestep = step.long().expand(len(conditions))
        noise = torch.randn(len(conditions), 4, 16, 16, generator=draws)
        guided, plain = (model.view_pass(noisy, timestep, c, reference_noise=noise) for c in (known, nothing))
        latents = sampler.step(plain + guidance * (guided - plain), step, latents, generator=draws).prev_sample
    return model.decode(latents)


@torch.no_grad()
def expect(model: Zero123Plus, conditions: Tensor) -> Tensor:
    """Return the model's clean estimate of the views (n 6 3 64 64) from pure noise, without guidance."""
    draws = torch.Generator().manual_seed(12)
    noisy = torch.randn(len(conditions), 6, 4, 16, 16, generator=draws)
    timestep = torch.full((len(conditions),), 999)
    noise = torch.randn(len(conditions), 4, 16, 16, generator=draws)
    known = model.encode_condition(conditions)
    return model.decode(model.clean(noisy, model.view_pass(noisy, timestep, known, reference_noise=noise), timestep))


@torch.no_grad()
def condition_gain(model: Zero123Plus, card: Pictures, timestep: int = 600) -> float:
    """Return by which share the denoising error grows when each scene gets another scene's condition."""
    assert card.conditions is not None
    draws = torch.Generator().manual_seed(13)
    errors = []
    for rows in torch.arange(len(card)).split(8):
        clean = model.encode(card.images[rows].float() / 255)
        noise = torch.randn(clean.shape, generator=draws)
        seen = torch.randn(len(rows), 4, 16, 16, generator=draws)
        steps = torch.full((len(rows),), timestep)
        noisy, target = model.noised(clean, noise, steps), model.target(clean, noise, steps)
        own = model.encode_condition(card.conditions[rows].float() / 255)
        other = own[torch.arange(len(rows)).roll(1)]
        errors.append([float((model.view_pass(noisy, steps, c, reference_noise=seen) - target).square().mean())
                       for c in (own, other)])
    right, wrong = torch.tensor(errors).mean(0).tolist()
    return round(wrong / right - 1, 4)


@torch.no_grad()
def canvas_scores(model: Zero123Plus, card: Pictures, mean: Tensor) -> tuple[dict[str, float], Tensor]:
    """Return PSNRs of generated views, of the mean training canvas, of copies of the condition; and the last views."""
    assert card.conditions is not None
    truth, conditions = card.images.float() / 255, card.conditions.float() / 255
    scores = {}
    for steps, guidance in SAMPLINGS:
        made = torch.cat([paint(model, batch, steps, guidance) for batch in conditions.split(8)])
        scores[f"generated, {steps} steps, guidance {guidance:g}"] = psnr_db(made, truth)
    expected = torch.cat([expect(model, batch) for batch in conditions.split(8)])
    scores |= {"one-step estimate": psnr_db(expected, truth), "mean canvas": psnr_db(mean.expand_as(truth), truth),
               "condition copied": psnr_db(conditions[:, None].expand_as(truth), truth),
               "autoencoder alone": psnr_db(model.decode(model.encode(truth)), truth)}
    return scores, made
