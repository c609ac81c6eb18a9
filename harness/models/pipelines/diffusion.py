"""A frozen latent diffusion model: encode, keypoint pass, view pass."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Num
from torch import Tensor

from harness.errors import UsageError
from harness.models.attention.canvas import assemble, split
from harness.models.attention.capture import CapturePass, Enough, up_layers
from harness.models.attention.fused import Layout
from harness.models.attention.groups import Beside, Groups, joined
from harness.models.attention.hooks import Hooks, Pass
from harness.models.pipelines import sides
from harness.models.pipelines.parts import Condition, Parts
from harness.ops.tensors import Images, Latents

Timestep = Num[Tensor, " B"] | Num[Tensor, ""]  # whole in training; a sampler's may be fractional
SMALL_GPU = "HARNESS_SMALL_GPU"  # environment: trade time for GPU memory; changes nothing but rounding
ROWS_AT_ONCE = 1024
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16,
          "fp16_mixed": torch.float16}


class Diffusion:
    """A plain text-to-image model (Stable Diffusion): views are denoised one by one, or as one canvas."""

    needs_condition = False

    def __init__(self, parts: Parts, precision: str, device: str) -> None:
        self.parts, self.device = parts, torch.device(device)
        self.dtype = DTYPES[precision]
        # In fp16 the maps and losses are half precision too, a setting to measure its harm; else they are float32.
        self.map_dtype = torch.float16 if precision == "fp16" else torch.float32
        self.small = os.environ.get(SMALL_GPU, "") not in ("", "0")
        self.unet = parts.unet.to(self.device).requires_grad_(False).eval()
        self.vae = parts.vae.to(self._rest).requires_grad_(False).eval()
        if self.dtype != torch.float32:
            # Not the UNet's own `to`: it warns about modules to keep in float32, although it has none.
            torch.nn.Module.to(self.unet, self.dtype)
        self.hooks = Hooks(self.unet, ROWS_AT_ONCE if self.small else 0)
        self.up_layers = up_layers(self.hooks.names)
        self.width: int = self.unet.config.cross_attention_dim
        self.side_multiple = sides.multiple(parts.unet.config, parts.vae.config)
        self.prediction_type: str = parts.scheduler.config.prediction_type
        self.alphas: Tensor = parts.scheduler.alphas_cumprod.to(self.device, torch.float32)
        self.text = self._text_states()
        self.images = 0  # that the UNet has processed, whole or up to the last captured layer; a canvas is one

    # Images and latents

    @torch.no_grad()
    def encode(self, images: Images) -> Latents:
        """Return the posterior means of images in [0, 1], scaled as the UNet was trained on."""
        views = images.flatten(0, 1).to(self.device)  # (B V 3 h w) -> (B*V 3 h w)
        means = torch.cat([self._posterior(view[None] * 2 - 1).mean for view in views])  # (B*V C hl wl)
        latents: Tensor = (means * self.vae.config.scaling_factor).unflatten(0, images.shape[:2])  # (B V C hl wl)
        return latents

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """Return images in [0, 1]."""
        images = self._decoded(latents.flatten(0, 1).float() / self.vae.config.scaling_factor)  # (B*V 3 h w)
        decoded: Tensor = (images / 2 + 0.5).clamp(0, 1).unflatten(0, latents.shape[:2])  # -> (B V 3 h w)
        return decoded

    def _posterior(self, images: Float[Tensor, "B 3 h w"]) -> Any:
        """Return the autoencoder's posterior of images in [-1, 1]."""
        with self._working(self.vae):
            return self.vae.encode(images).latent_dist

    def _decoded(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """Return images in [-1, 1], decoded one at a time: at full size one takes gigabytes."""
        with self._working(self.vae):
            return torch.cat([self.vae.decode(one[None]).sample for one in latents])

    @property
    def _rest(self) -> torch.device:
        """The device of the encoders while they are not used."""
        return torch.device("cpu") if self.small else self.device

    @contextmanager
    def _working(self, module: Any) -> Iterator[None]:
        """Keep an encoder on the device while it is used."""
        module.to(self.device)
        try:
            yield
        finally:
            module.to(self._rest)

    def encode_condition(self, images: Float[Tensor, "B 3 h w"]) -> Condition:
        """Return the view pass's inputs from the condition images: none in a plain model."""
        return Condition()

    def no_condition(self, condition: Condition) -> Condition | None:
        """Return guidance's negative condition; None if the model has no condition, so that guidance has no effect."""
        return None

    # Noise

    def noised(self, clean: Tensor, noise: Tensor, timestep: Timestep | int) -> Tensor:
        """Return sqrt(a) x + sqrt(1 - a) n at the training timestep."""
        signal, spread = self._levels(timestep, clean)
        return signal * clean + spread * noise

    def target(self, clean: Tensor, noise: Tensor, timestep: Timestep | int) -> Tensor:
        """Return the target of the UNet's prediction: the noise or the velocity."""
        signal, spread = self._levels(timestep, clean)
        return noise if self.prediction_type == "epsilon" else signal * noise - spread * clean

    def clean(self, noisy: Tensor, prediction: Tensor, timestep: Timestep | int) -> Tensor:
        """Return the estimate of the clean latents from a prediction."""
        signal, spread = self._levels(timestep, noisy)
        if self.prediction_type == "epsilon":
            return (noisy - spread * prediction) / signal
        return signal * noisy - spread * prediction

    def _levels(self, timestep: Tensor | int, like: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(timestep, int):
            alpha = self.alphas[timestep]
        else:
            level = timestep.to(self.device)
            # Not alphas[level]: on a GPU the host would wait for the value of a 0-d index.
            alpha = self._between(level) if level.is_floating_point() else self.alphas.take(level)
        alpha = alpha.reshape(-1, *[1] * (like.ndim - 1)) if alpha.ndim else alpha  # (B) -> (B 1 1 ...)
        return alpha.sqrt(), (1 - alpha).sqrt()

    def _between(self, timestep: Tensor) -> Tensor:
        """Return alpha at a sampler's fractional timestep: sigma = sqrt((1 - a) / a) is linear between whole ones."""
        sigmas = ((1 - self.alphas) / self.alphas).sqrt()
        low = timestep.floor().long().clamp(0, len(sigmas) - 2)
        sigma = torch.lerp(sigmas[low], sigmas[low + 1], (timestep - low).to(sigmas))
        return 1 / (1 + sigma**2)

    # Passes

    def layers(self, indices: Sequence[int]) -> list[str]:
        """Return captured layers by index along the up path; raise UsageError for an index out of range."""
        for index in indices:
            if index >= len(self.up_layers):
                count = len(self.up_layers)
                raise UsageError(f"trial.layers: {index} is out of range; this model's up path has {count}, from 0")
        return [self.up_layers[index] for index in sorted(set(indices))]

    def keypoint_pass(self, noisy: Latents, tokens: Float[Tensor, "N D"], timestep: int, *, layers: Sequence[str],
                      canvas: bool, beside: Beside = Beside(), check: bool = False, condition: Condition = Condition(),
                      reference_noise: Tensor | None = None) -> CapturePass:
        """Run the views with the tokens as context, up to the last captured layer; gradients reach the tokens.

        ``condition`` enters the text if that stands ``beside`` the tokens, and the reference attention if there is one.
        """
        views = assemble(noisy) if canvas else rearrange(noisy, "b v c h w -> (b v) c h w")
        text = self._context(condition) if beside.text else None  # (1 T D) or (B T D)
        context, groups = joined(beside, text, tokens.to(self.dtype))
        capturing = CapturePass(layers, (views.shape[-2], views.shape[-1]), check=check, dtype=self.map_dtype,
                                groups=groups)
        level = torch.full((len(noisy),), timestep, device=noisy.device)
        current = self._reference(capturing, for_each(context, len(noisy)), level, condition, reference_noise,
                                  layers[-1], groups)
        with suppress(Enough):
            self._run(views, timestep, for_each(context, len(views)), current)
        return capturing

    def keypoints_need_condition(self, concat: bool) -> bool:
        """Return True if the keypoint pass uses the condition image: never in a plain model."""
        return False

    def _reference(self, inner: Pass, context: Float[Tensor, "B T D"], timestep: Timestep, condition: Condition,
                   reference_noise: Tensor | None, until: str = "", groups: Groups | None = None) -> Pass:
        """Return the pass in which views also attend to the condition image; ``inner`` itself in a plain model."""
        return inner

    def layout(self, latents: Latents, canvas: bool) -> Layout:
        """Return the view pass's layout of these views."""
        views, (rows, columns) = latents.shape[1], latents.shape[-2:]
        size = (rows * 3, columns * 2) if canvas and views > 1 else (rows, columns)
        return Layout(views, canvas, size)

    def lays_canvas(self, view_pass: str) -> bool:
        """Return True if the view pass generates all views on one canvas."""
        return view_pass == "canvas"

    @contextmanager
    def one_reference(self) -> Iterator[None]:
        """Until the block ends, view passes over the same noised condition share one run over it; plain: no effect."""
        yield

    def view_pass(self, noisy: Latents, timestep: Timestep, condition: Condition, *, canvas: bool,
                  inner: Pass | None = None, reference_noise: Tensor | None = None) -> Latents:
        """Return the UNet's prediction for noisy views; ``inner`` computes the cross-attention."""
        count = noisy.shape[1]
        views = assemble(noisy) if canvas else rearrange(noisy, "b v c h w -> (b v) c h w")
        steps = repeat(timestep, "b -> (b v)", v=1 if canvas else count)
        prediction = self._run(views, steps, for_each(self._context(condition), len(views)), inner or Pass())
        return split(prediction, count) if canvas else rearrange(prediction, "(b v) c h w -> b v c h w", v=count)

    def _context(self, condition: Condition) -> Float[Tensor, "_ T D"]:
        """Return the text's states: one for all scenes, or each scene's own."""
        return self.text.to(self.dtype)

    def _run(self, views: Tensor, timestep: Tensor | int, context: Tensor, current: Pass) -> Tensor:
        self.images += len(views)
        with self.hooks.during(current):
            output = self.unet(views.to(self.dtype), timestep, encoder_hidden_states=context, return_dict=False)
        prediction: Tensor = output[0]
        return prediction.float()

    @torch.no_grad()
    def _text_states(self) -> Float[Tensor, "1 T D"]:
        tokenizer, encoder = self.parts.tokenizer, self.parts.text_encoder
        length = tokenizer.model_max_length
        ids = tokenizer([""], padding="max_length", max_length=length, return_tensors="pt").input_ids
        states: Tensor = encoder.eval().requires_grad_(False)(ids)[0]
        return states.to(self.device, torch.float32)


def for_each(context: Float[Tensor, "_ T D"], images: int) -> Float[Tensor, "B T D"]:
    """Return a context for each image, a scene's images in succession; a single context is expanded, not copied."""
    return context.expand(images, -1, -1) if len(context) == 1 else context.repeat_interleave(images // len(context), 0)
