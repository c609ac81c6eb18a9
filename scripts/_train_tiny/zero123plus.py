"""tiny_zero123plus: tiny_sd turned into a painter of six views from one photograph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from einops import rearrange, repeat
from torch import Tensor
from torch.nn.functional import avg_pool2d, mse_loss
from transformers import CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from _train_tiny import data as scenes_of
from _train_tiny import vae as autoencoder
from _train_tiny.data import Pictures
from _train_tiny.grounding import grounding_loss, record
from _train_tiny.loop import Training
from _train_tiny.reference import refer, set_mode
from _train_tiny.text import TOKENS, Captions
from _train_tiny.tiny_sd import GROUNDING_WEIGHT, WIDTH, HeldOut, Latents, colourless, draw_timesteps, mixed_batch

CANVASES, SINGLES = 4, 8
ROWS, COLUMNS = 3, 2
SMALL = 16
UNCONDITIONAL = 0.1
CAPTIONED = 0.5
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
RAMP = [round(float(x), 6) for x in torch.linspace(0.003, 1.198, TOKENS)]


def build_vision_encoder() -> CLIPVisionModelWithProjection:
    """Return an untrained vision encoder: 64 px, patches of 8, width and embedding 96."""
    torch.manual_seed(7)
    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH, num_hidden_layers=3,
        num_attention_heads=4, image_size=64, patch_size=8))


def scheduler() -> DDPMScheduler:
    """Return the noise schedule of Zero123++."""
    return DDPMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="linear",
                         prediction_type="v_prediction", clip_sample=False)


def clip_pixels(images: Tensor) -> Tensor:
    """Return what the vision encoder takes of images (b 3 64 64) in [0, 1]."""
    mean, std = (torch.tensor(x)[:, None, None] for x in (CLIP_MEAN, CLIP_STD))
    return (images - mean) / std


def scaled(images: Tensor) -> Tensor:
    """Return images of [0, 1] as Zero123++ shows them to its autoencoder: (x - 0.5) / 0.8."""
    return (images - 0.5) / 0.8


def scale_latents(latents: Tensor) -> Tensor:
    """Return (z - 0.22) * 0.75."""
    return (latents - 0.22) * 0.75


def unscale_latents(latents: Tensor) -> Tensor:
    """Undo `scale_latents`."""
    return latents / 0.75 + 0.22


def to_canvas(views: Tensor) -> Tensor:
    """Lay six views (b 6 c h w) out as 3 rows x 2 columns, row by row: (b c 3h 2w)."""
    return rearrange(views, "b (r k) c h w -> b c (r h) (k w)", r=ROWS, k=COLUMNS)


def to_views(canvas: Tensor) -> Tensor:
    """Undo `to_canvas`."""
    return rearrange(canvas, "b c (r h) (k w) -> b (r k) c h w", r=ROWS, k=COLUMNS)


@dataclass(frozen=True)
class Canvases:
    """Six-view scenes: canvas latents (n 4 48 32), condition latents (n 4 16 16) and pixels, and what captions need.

    Also the views in small (n 6 3 16 16), bytes as the pixels are, and the latents of no condition (1 4 16 16).
    """

    latents: Tensor
    conditions: Tensor
    pixels: Tensor
    small: Tensor
    masks: Tensor
    families: list[str]
    phrases: list[list[str]]
    nothing: Tensor

    def __len__(self) -> int:
        """Return how many scenes there are."""
        return len(self.families)


def canvases(vae: AutoencoderKL, pictures: Pictures) -> Canvases:
    """Encode scenes view by view: views scaled and shifted, the condition left as the encoder gives it."""
    assert pictures.conditions is not None
    batches = pictures.images.flatten(0, 1).split(96)
    views = torch.cat([autoencoder.encode(vae, scaled(batch.float() / 255)) for batch in batches])
    latents = scale_latents(views * vae.config.scaling_factor).unflatten(0, pictures.images.shape[:2])
    conditions = torch.cat([autoencoder.encode(vae, scaled(c.float() / 255)) for c in pictures.conditions.split(64)])
    nothing = autoencoder.encode(vae, torch.zeros(1, 3, 64, 64))
    shrink = pictures.images.shape[-1] // SMALL
    small = avg_pool2d(pictures.images.flatten(0, 1).float(), shrink).round().to(torch.uint8)
    return Canvases(to_canvas(latents), conditions, pictures.conditions, small.unflatten(0, latents.shape[:2]),
                    pictures.masks, pictures.families, pictures.phrases, nothing)


def joined(chunks: Sequence[Canvases]) -> Canvases:
    """Return the scenes of all chunks."""
    tensors = {name: torch.cat([getattr(chunk, name) for chunk in chunks])
               for name in ("latents", "conditions", "pixels", "small", "masks")}
    return Canvases(families=[f for chunk in chunks for f in chunk.families],
                    phrases=[p for chunk in chunks for p in chunk.phrases], nothing=chunks[0].nothing, **tensors)


def canvas_chunk(folder: Path, vae: AutoencoderKL, first: int, count: int, processes: int) -> Canvases:
    """Return training scenes from ``first`` on, rendered and encoded on the first call and kept in half floats."""
    path = folder / f"canvases-{count}-from{first}.pt"
    if not path.exists():
        made = canvases(vae, scenes_of.pictures(folder, 6, count, processes=processes, first=first))
        halves = {name: value.half() if isinstance(value, Tensor) and value.is_floating_point() else value
                  for name, value in vars(made).items()}
        part = path.with_suffix(".part")
        torch.save(halves, part)
        part.rename(path)
    return Canvases(**torch.load(path, weights_only=True))


@dataclass(frozen=True)
class Drawn:
    """What is drawn for a few canvases: scenes, noise levels, which carry a caption, which lack the photograph."""

    rows: Tensor
    timesteps: Tensor
    captioned: Tensor
    dropped: Tensor


def draw_canvases(scenes: int, draws: torch.Generator) -> Drawn:
    """Return canvases of which half carry a caption, the others Zero123++'s empty text; a tenth have neither."""
    rows = torch.randint(scenes, (CANVASES,), generator=draws)
    captioned = torch.rand(CANVASES, generator=draws) < CAPTIONED
    dropped = (torch.rand(CANVASES, generator=draws) < UNCONDITIONAL) & ~captioned
    timesteps = torch.where(captioned, draw_timesteps(CANVASES, draws),
                            torch.randint(1000, (CANVASES,), generator=draws))
    return Drawn(rows, timesteps, captioned, dropped)


class Painter:
    """The trainable parts and one training pass of each kind."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel, vision: CLIPVisionModelWithProjection,
                 captions: Captions, brief: bool = False) -> None:
        """Make the UNet record its cross-attention and refer in its self-attention.

        In ``brief``, canvases go through the UNet in bfloat16, which takes three fifths of the time.
        """
        self.unet, self.text, self.vision, self.captions, self.brief = unet, text, vision, captions, brief
        self.kept = record(unet)
        self.references = refer(unet)
        self.noising = scheduler()
        self.empty, _ = captions.encode([], 1)
        self.ramp = torch.tensor(RAMP)[None, :, None]

    def canvas_losses(self, data: Canvases, drawn: Drawn, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the denoising and the grounding loss of a few canvases."""
        rows, timesteps = drawn.rows, drawn.timesteps
        texts = [self.captions.draw(data.families[i], data.phrases[i], colourless(t), draws) if said
                 else self.captions.encode([], len(data.phrases[i]))
                 for i, said, t in zip(rows.tolist(), drawn.captioned.tolist(), timesteps.tolist(), strict=True)]
        ids, member = (torch.stack(x) for x in zip(*texts, strict=True))
        embedding = self.embed(data.pixels[rows]) * ~drawn.dropped[:, None]
        states = self.text(ids).last_hidden_state + self.ramp * embedding[:, None]
        conditions = torch.where(drawn.dropped[:, None, None, None], data.nothing, data.conditions[rows]).float()
        denoising = self._denoise(data.latents[rows].float(), states, timesteps, draws, conditions)
        return denoising, self._grounding(data.masks[rows], member, drawn)

    def _grounding(self, masks: Tensor, member: Tensor, drawn: Drawn) -> Tensor:
        """Return the grounding loss of the captioned canvases in each view apart."""
        if not drawn.captioned.any():
            return torch.zeros(())
        said, views = drawn.captioned, ROWS * COLUMNS
        kept = [_by_view(probabilities[said].float()) for probabilities in self.kept]
        return grounding_loss(kept, repeat(member[said], "b t p -> (b v) t p", v=views),
                              masks[said].flatten(0, 1).float() / 255, drawn.timesteps[said].repeat_interleave(views))

    def single_losses(self, sources: tuple[Latents, Latents], count: int, draws: torch.Generator
                      ) -> tuple[Tensor, Tensor]:
        """Return the denoising and the grounding loss of ``count`` single captioned views, without a condition."""
        timesteps = draw_timesteps(count, draws)
        clean, ids, member, masks = mixed_batch(sources, timesteps, self.captions, draws)
        denoising = self._denoise(clean, self.text(ids).last_hidden_state, timesteps, draws)
        return denoising, grounding_loss(self.kept, member, masks, timesteps)

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the global embeddings of photographs (b 3 64 64) in bytes."""
        embedding: Tensor = self.vision(clip_pixels(pixels.float() / 255)).image_embeds
        return embedding

    def predict(self, noisy: Tensor, states: Tensor, timesteps: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Return the predicted velocity; a canvas refers to ``conditions``, noised as much, and may be in brief."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.brief and conditions is not None):
            if conditions is not None:
                set_mode(self.references, "write")
                self.unet(conditions, timesteps, states)
            set_mode(self.references, "plain" if conditions is None else "read")
            self.kept.clear()
            predicted = self.unet(noisy, timesteps, states).sample.float()
        set_mode(self.references, "plain")
        return predicted

    def _denoise(self, clean: Tensor, states: Tensor, timesteps: Tensor, draws: torch.Generator,
                 conditions: Tensor | None = None) -> Tensor:
        if conditions is not None:
            noise = torch.randn(conditions.shape, generator=draws)
            conditions = self.noising.add_noise(conditions, noise, timesteps)
        noise = torch.randn(clean.shape, generator=draws)
        predicted = self.predict(self.noising.add_noise(clean, noise, timesteps), states, timesteps, conditions)
        return mse_loss(predicted, self.noising.get_velocity(clean, noise, timesteps))


def _by_view(probabilities: Tensor) -> Tensor:
    """Split a canvas' probabilities (b S T) into its views' (b*6 S/6 T)."""
    width = round((probabilities.shape[1] / (ROWS * COLUMNS)) ** 0.5)
    return rearrange(probabilities, "b (r h k w) t -> (b r k) (h w) t", r=ROWS, k=COLUMNS, w=width, h=width)


def train(folder: Path, painter: Painter, data: Canvases, sources: tuple[Latents, Latents], held_out: HeldOut,
          minutes: float, export: Callable[[Painter], None]) -> Training:
    """Train for ``minutes``, canvases and single views in every step; leave the averaged weights in ``painter``."""
    modules = {"unet": painter.unet, "text": painter.text, "vision": painter.vision}
    run = Training(folder, "zero123plus", modules, minutes=minutes, lr=4e-4)
    draws = torch.Generator().manual_seed(8 + run.step)
    while not run.done:
        denoising, grounding = painter.canvas_losses(data, draw_canvases(len(data), draws), draws)
        alone, alone_grounding = painter.single_losses(sources, SINGLES, draws)
        run.update(denoising + alone + GROUNDING_WEIGHT * (grounding + alone_grounding), denoising=denoising.item(),
                   grounding=grounding.item(), alone=alone.item(), alone_grounding=alone_grounding.item())
        if run.step % 20 == 0:
            run.log()
        if run.step % 100 == 0:
            run.save()
        if run.step % 200 == 0:
            run.swap()
            run.log(**held_out.measure(painter.unet, painter.text, painter.captions, painter.kept, painter.noising))
            export(painter)
            run.swap()
    run.save()
    run.swap()
    run.log(**held_out.measure(painter.unet, painter.text, painter.captions, painter.kept, painter.noising))
    export(painter)
    return run
