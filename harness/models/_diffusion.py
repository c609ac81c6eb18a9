"""A frozen latent diffusion model: encode, keypoint pass, view pass."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Num
from torch import Tensor

from harness.attention.capture import CapturePass, Enough, up_layers
from harness.attention.fused import Layout
from harness.attention.hooks import Hooks, Pass
from harness.attention.views import assemble, split
from harness.plugins import UsageError
from harness.tensors import Images, Latents

Timestep = Num[Tensor, " B"]  # whole in training; a sampler's may be fractional
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16,
          "fp16_mixed": torch.float16}


@dataclass(frozen=True)
class Parts:
    """The pieces of a diffusers folder; the vision encoder is Zero123++'s."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    vision_encoder: Any = None
    ramp: tuple[float, ...] = ()
    condition_size: int = 0  # side of the condition image in pixels; 0: as it comes
    clip_size: int = 224
    clip_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    clip_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Condition:
    """What the view pass knows of the object besides the noisy views: encoded once per scene.

    ``latents`` of the condition image (not scaled by the VAE's factor) and its global ``embedding``; None without one.
    """

    latents: Float[Tensor, "B C h w"] | None = None
    embedding: Float[Tensor, "B D"] | None = None

    def __getitem__(self, index: Any) -> "Condition":
        return Condition(*(None if part is None else part[index] for part in (self.latents, self.embedding)))


class Diffusion:
    """A plain text-to-image model (Stable Diffusion): views are denoised one by one, or as one canvas."""

    needs_condition = False

    def __init__(self, parts: Parts, precision: str, device: str) -> None:
        self.parts, self.device = parts, torch.device(device)
        self.dtype = DTYPES[precision]
        # Everything half is the warning of the field: maps and losses follow the model's arithmetic only there.
        self.map_dtype = torch.float16 if precision == "fp16" else torch.float32
        self.unet = parts.unet.to(self.device).requires_grad_(False).eval()
        self.vae = parts.vae.to(self.device).requires_grad_(False).eval()
        if self.dtype != torch.float32:
            # Not the UNet's own `to`: it warns of modules to keep in float32, of which it has none.
            torch.nn.Module.to(self.unet, self.dtype)
        self.hooks = Hooks(self.unet)
        self.up_layers = up_layers(self.hooks.names)
        self.width: int = self.unet.config.cross_attention_dim
        self.prediction_type: str = parts.scheduler.config.prediction_type
        self.alphas: Tensor = parts.scheduler.alphas_cumprod.to(self.device, torch.float32)
        self.text = self._text_states()

    # Images and latents

    @torch.no_grad()
    def encode(self, images: Images) -> Latents:
        """Return the posterior means of images in [0, 1], scaled as the UNet was trained on."""
        means = [self.vae.encode(view[None].to(self.device) * 2 - 1).latent_dist.mean for view in images.flatten(0, 1)]
        latents: Tensor = (torch.cat(means) * self.vae.config.scaling_factor).unflatten(0, images.shape[:2])
        return latents

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """Return images in [0, 1]."""
        views = latents.flatten(0, 1).float() / self.vae.config.scaling_factor
        images = torch.cat([self.vae.decode(view[None]).sample for view in views])
        decoded: Tensor = (images / 2 + 0.5).clamp(0, 1).unflatten(0, latents.shape[:2])
        return decoded

    def encode_condition(self, images: Float[Tensor, "B 3 h w"]) -> Condition:
        """Return what the view pass knows of the condition images: nothing in a plain model."""
        return Condition()

    def no_condition(self, condition: Condition) -> Condition | None:
        """Return what guidance's negative half knows; None where guidance has nothing to contrast."""
        return None

    # Noise

    def noised(self, clean: Tensor, noise: Tensor, timestep: Timestep | int) -> Tensor:
        """Return sqrt(a) x + sqrt(1 - a) n at the training timestep."""
        signal, spread = self._levels(timestep, clean)
        return signal * clean + spread * noise

    def target(self, clean: Tensor, noise: Tensor, timestep: Timestep | int) -> Tensor:
        """Return what the UNet should predict."""
        signal, spread = self._levels(timestep, clean)
        return noise if self.prediction_type == "epsilon" else signal * noise - spread * clean

    def clean(self, noisy: Tensor, prediction: Tensor, timestep: Timestep | int) -> Tensor:
        """Return the estimate of the clean latents from a prediction."""
        signal, spread = self._levels(timestep, noisy)
        if self.prediction_type == "epsilon":
            return (noisy - spread * prediction) / signal
        return signal * noisy - spread * prediction

    def _levels(self, timestep: Tensor | int, like: Tensor) -> tuple[Tensor, Tensor]:
        level = torch.as_tensor(timestep, device=self.device)
        alpha = self._between(level) if level.is_floating_point() else self.alphas[level]
        alpha = alpha.reshape(-1, *[1] * (like.ndim - 1)) if alpha.ndim else alpha
        return alpha.sqrt(), (1 - alpha).sqrt()

    def _between(self, timestep: Tensor) -> Tensor:
        """Return a at a fractional timestep, which samplers take: sigma = sqrt((1 - a) / a) is linear in between."""
        sigmas = ((1 - self.alphas) / self.alphas).sqrt()
        low = timestep.floor().long().clamp(0, len(sigmas) - 2)
        sigma = torch.lerp(sigmas[low], sigmas[low + 1], (timestep - low).to(sigmas))
        return 1 / (1 + sigma**2)

    # Passes

    def layers(self, indices: Sequence[int]) -> list[str]:
        """Return captured layers by index along the up path; raise UsageError where there is none."""
        for index in indices:
            if index >= len(self.up_layers):
                count = len(self.up_layers)
                raise UsageError(f"trial.layers: {index} is out of range; this model's up path has {count}, from 0")
        return [self.up_layers[index] for index in sorted(set(indices))]

    def keypoint_pass(self, noisy: Latents, tokens: Float[Tensor, "N D"], timestep: int, *, layers: Sequence[str],
                      canvas: bool, concat: bool, check: bool = False) -> CapturePass:
        """Run the views with the tokens as context, up to the last captured layer; gradients reach the tokens."""
        views = assemble(noisy) if canvas else rearrange(noisy, "b v c h w -> (b v) c h w")
        context = tokens[None].to(self.dtype)
        if concat:
            context = torch.cat([self.text.to(self.dtype), context], 1)
        capturing = CapturePass(layers, (views.shape[-2], views.shape[-1]), check=check)
        with suppress(Enough):
            self._run(views, timestep, context.expand(len(views), -1, -1), capturing)
        return capturing

    def layout(self, latents: Latents, canvas: bool) -> Layout:
        """Return how the view pass lays out these views."""
        views, (rows, columns) = latents.shape[1], latents.shape[-2:]
        size = (rows * 3, columns * 2) if canvas and views > 1 else (rows, columns)
        return Layout(views, canvas, size)

    def lays_canvas(self, view_pass: str) -> bool:
        """Return whether the view pass paints all views on one canvas."""
        return view_pass == "canvas"

    def view_pass(self, noisy: Latents, timestep: Timestep, condition: Condition, *, canvas: bool,
                  inner: Pass | None = None, reference_noise: Tensor | None = None) -> Latents:
        """Return the UNet's prediction for noisy views; ``inner`` decides what cross-attention does."""
        count = noisy.shape[1]
        views = assemble(noisy) if canvas else rearrange(noisy, "b v c h w -> (b v) c h w")
        copies = 1 if canvas else count
        steps, context = repeat(timestep, "b -> (b v)", v=copies), self._context(condition, len(noisy))
        prediction = self._run(views, steps, repeat(context, "b t d -> (b v) t d", v=copies), inner or Pass())
        return split(prediction, count) if canvas else rearrange(prediction, "(b v) c h w -> b v c h w", v=count)

    def _context(self, condition: Condition, batch: int) -> Float[Tensor, "B T D"]:
        return self.text.to(self.dtype).expand(batch, -1, -1)

    def _run(self, views: Tensor, timestep: Tensor | int, context: Tensor, current: Pass) -> Tensor:
        with self.hooks.during(current):
            output = self.unet(views.to(self.dtype), timestep, encoder_hidden_states=context, return_dict=False)
        prediction: Tensor = output[0]
        return prediction.float()

    @torch.no_grad()
    def _text_states(self) -> Float[Tensor, "1 T D"]:
        """Return the empty prompt's states."""
        tokenizer, encoder = self.parts.tokenizer, self.parts.text_encoder
        length = tokenizer.model_max_length
        ids = tokenizer([""], padding="max_length", max_length=length, return_tensors="pt").input_ids
        states: Tensor = encoder.eval().requires_grad_(False)(ids)[0]
        return states.to(self.device, torch.float32)
