"""tiny_sd: text encoder and UNet, trained together on captions, cross-attention grounded on part masks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from _train_tiny.data import FAMILIES, Pictures
from _train_tiny.grounding import grounding_loss, peaks_yx, record, shares
from _train_tiny.loop import Training
from _train_tiny.text import END, START, TOKENS, Captions

BATCH = 16
WIDTH = 96
GROUNDING_WEIGHT = 0.2
LOW_NOISE_BELOW, LOW_NOISE_SHARE = 150, 0.5
COLOURLESS_LOW, COLOURLESS_HIGH = 0.65, 0.2
READ_TIMESTEP = 50
PRACTICE, PRACTICE_UNTIL = 0.6, 0.3


def build_text_encoder(vocabulary: dict[str, int]) -> CLIPTextModel:
    """Return an untrained causal text encoder of width 96."""
    torch.manual_seed(3)
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=TOKENS, bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END], pad_token_id=vocabulary[END]))


def build_unet() -> UNet2DConditionModel:
    """Return an untrained UNet for 16 x 16 x 4 latents with heads of 32 channels (diffusers' key counts heads)."""
    torch.manual_seed(4)
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=WIDTH, attention_head_dim=(2, 4), norm_num_groups=32)


def scheduler() -> DDPMScheduler:
    """Return the noise schedule of Stable Diffusion."""
    return DDPMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                         prediction_type="epsilon", clip_sample=False)


def draw_timesteps(count: int, draws: torch.Generator) -> Tensor:
    """Return timesteps of which some are drawn below 150, where keypoints are read, and the others anywhere."""
    low = torch.rand(count, generator=draws) < LOW_NOISE_SHARE
    return torch.where(low, torch.randint(LOW_NOISE_BELOW, (count,), generator=draws),
                       torch.randint(1000, (count,), generator=draws))


def even_out(noising: DDPMScheduler, timesteps: Tensor) -> Tensor:
    """Return weights, SNR^-0.4, that make the squared error of the noise about as large at every noise level.

    Without them the high levels, where layout and colours are decided, hardly count.
    """
    signal = noising.alphas_cumprod[timesteps]
    return (signal / (1 - signal)) ** -0.4


def colourless(timestep: int) -> float:
    """Return how often a caption names no colour: often at low noise, where parts are to be told by shape and place."""
    return COLOURLESS_LOW if timestep < LOW_NOISE_BELOW else COLOURLESS_HIGH


@dataclass(frozen=True)
class Latents:
    """Single views ready for training: latents (n 4 16 16) in the UNet's scale, and what their captions are made of."""

    latents: Tensor
    masks: Tensor
    families: list[str]
    phrases: list[list[str]]
    plain_sided: Tensor | None = None

    def rows(self, count: int, practice: float, draws: torch.Generator) -> Tensor:
        """Return rows at random, a share of them of views that show plainly which side is left."""
        rows = torch.randint(len(self.latents), (count,), generator=draws)
        if practice == 0 or self.plain_sided is None:
            return rows
        easy = self.plain_sided.nonzero()[:, 0]
        picked = easy[torch.randint(len(easy), (count,), generator=draws)]
        return torch.where(torch.rand(count, generator=draws) < practice, picked, rows)

    def batch(self, rows: Tensor, timesteps: Tensor, captions: Captions, draws: torch.Generator
              ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return latents, token ids (b 77), phrase membership (b 77 P) and masks (b P 16 16) of ``rows``."""
        drawn = [captions.draw(self.families[i], self.phrases[i], colourless(t), draws)
                 for i, t in zip(rows.tolist(), timesteps.tolist(), strict=True)]
        ids, member = (torch.stack(x) for x in zip(*drawn, strict=True))
        return self.latents[rows], ids, member, self.masks[rows].float() / 255


def mixed_batch(sources: tuple[Latents, Latents], timesteps: Tensor, captions: Captions, draws: torch.Generator,
                practice: float = 0.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a batch of which half comes from the second source: latents, ids, membership, masks."""
    parts, count = [], len(timesteps)
    for source, steps in zip(sources, timesteps.split([count - count // 2, count // 2]), strict=True):
        rows = source.rows(len(steps), practice, draws)
        parts.append(source.batch(rows, steps, captions, draws))
    latents, ids, member, masks = (torch.cat(x) for x in zip(*parts, strict=True))
    return latents, ids, member, masks


def train(folder: Path, sources: tuple[Latents, Latents], captions: Captions, held_out: "HeldOut", minutes: float,
          text: CLIPTextModel, export: Callable[[UNet2DConditionModel, CLIPTextModel], None],
          ) -> tuple[UNet2DConditionModel, CLIPTextModel, Training]:
    """Train a UNet, and ``text`` with it, for ``minutes``; return the averaged models.

    Half of each batch are single views, half views on gray.
    ``export`` is called with the averaged models at every measurement.
    """
    unet = build_unet()
    run = Training(folder, "sd", {"unet": unet, "text": text}, minutes=minutes, lr=6e-4)
    kept, noising = record(unet), scheduler()
    draws = torch.Generator().manual_seed(5 + run.step)
    while not run.done:
        timesteps = draw_timesteps(BATCH, draws)
        # Telling left from right takes two facts at once, where the head is and which way the figure faces, and neither
        # helps alone. Views that mostly face one way let the first be learned by itself.
        practice = PRACTICE if run.seconds < PRACTICE_UNTIL * run.budget_s else 0.0
        clean, ids, member, masks = mixed_batch(sources, timesteps, captions, draws, practice)
        noise = torch.randn(clean.shape, generator=draws)
        kept.clear()
        states = text(ids).last_hidden_state
        predicted = unet(noising.add_noise(clean, noise, timesteps), timesteps, states).sample
        squared = (predicted - noise).square().mean((1, 2, 3))
        denoising = (squared * even_out(noising, timesteps)).mean()
        grounding = grounding_loss(kept, member, masks, timesteps)
        run.update(denoising + GROUNDING_WEIGHT * grounding, denoising=squared.mean().item(),
                   weighted=denoising.item(), grounding=grounding.item())
        if run.step % 20 == 0:
            run.log()
        if run.step % 100 == 0:
            run.save()
        if run.step % 250 == 0:
            run.swap()
            run.log(**held_out.measure(unet, text, captions, kept, noising))
            export(unet, text)
            run.swap()
    run.save()
    run.swap()
    run.log(**held_out.measure(unet, text, captions, kept, noising))
    return unet.eval().requires_grad_(False), text.eval().requires_grad_(False), run


def _sibling_error(layers: list[Tensor], member: Tensor, masks: Tensor, points: Tensor, limit: Tensor) -> Tensor:
    """Return how far the paired parts' peaks (left and right alternate from the fifth on) are from their siblings."""
    siblings = points[:, 4:].unflatten(1, (-1, 2)).flip(2).flatten(1, 2)
    return (peaks_yx(layers, member, masks)[:, 4:] - siblings).norm(dim=-1) / limit


@dataclass(frozen=True)
class HeldOut:
    """Scenes that were not trained on, to see how well colourless phrases find their parts at timestep 50."""

    data: Latents
    pictures: Pictures

    @torch.no_grad()
    def measure(self, unet: UNet2DConditionModel, text: CLIPTextModel, captions: Captions, kept: list[Tensor],
                noising: DDPMScheduler) -> dict[str, float]:
        """Return the share of visible segment centres within alpha of the box's side of the phrase's peak, by family.

        `share` is the mean share of a phrase's attention in its part; `up` reads the last block's two layers only;
        `own_side` is how many of the limb peaks that hit the left or right limb of a pair hit the named one.
        """
        noise = torch.randn(self.data.latents.shape, generator=torch.Generator().manual_seed(6))
        hits: dict[str, list[Tensor]] = {}
        for rows in torch.arange(len(self.data.latents)).split(16):
            families = [self.data.families[i] for i in rows.tolist()]
            ids, member = captions.colourless(families, [self.data.phrases[i] for i in rows.tolist()])
            timesteps = torch.full((len(rows),), READ_TIMESTEP)
            kept.clear()
            unet(noising.add_noise(self.data.latents[rows], noise[rows], timesteps), timesteps,
                 text(ids).last_hidden_state)
            masks = self.data.masks[rows].float() / 255
            share, counted = shares(kept, member, masks)
            hits.setdefault("share", []).append(share.mean(0)[counted])
            points, visible = self.pictures.points_yx[rows, 0], self.pictures.visible[rows, 0]
            limit = self.pictures.normaliser_px[rows, 0, None] / 64
            for name, layers in (("", kept), ("_up", kept[-2:])):
                error = (peaks_yx(layers, member, masks) - points).norm(dim=-1) / limit
                for alpha in (0.1, 0.2):
                    hits.setdefault(f"pck{name}@{alpha}", []).append((error <= alpha)[visible].float())
                if not name:
                    sided, other = error[:, 4:], _sibling_error(layers, member, masks, points, limit)
                    own = (sided <= 0.1) & visible[:, 4:]
                    hits.setdefault("own_side", []).append(own[own | ((other <= 0.1) & visible[:, 4:])].float())
                    for family in FAMILIES:
                        of = torch.tensor([f == family for f in families])
                        hits.setdefault(f"pck_{family}@0.1", []).append((error[of] <= 0.1)[visible[of]].float())
        return {name: round(float(torch.cat(values).mean()), 4) for name, values in hits.items()}
