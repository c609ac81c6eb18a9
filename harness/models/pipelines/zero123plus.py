"""Zero123++: six views on one canvas, generated from one photograph through reference attention.

Reimplements the published pipeline with diffusers' own classes, without remote code. Source: SUDO-AI-3D/zero123plus,
and its model card for the constants.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harness.models.attention.canvas import assemble, split
from harness.models.attention.capture import Enough
from harness.models.attention.groups import Groups
from harness.models.attention.hooks import Pass
from harness.models.attention.reference import ReadPass, WritePass
from harness.models.pipelines.diffusion import Diffusion, Timestep, for_each
from harness.models.pipelines.parts import Condition, Parts
from harness.models.pipelines.switches import Switches
from harness.ops.tensors import Images, Latents

LATENT_SHIFT, LATENT_SCALE = 0.22, 0.75
IMAGE_STD = 0.8  # the pipeline's image normalisation: (x - 0.5) / 0.8 of images in [0, 1]


def scale_latents(latents: Tensor) -> Tensor:
    """Return the latents in the scaling of Zero123++'s UNet: (z - 0.22) 0.75."""
    return (latents - LATENT_SHIFT) * LATENT_SCALE


def unscale_latents(latents: Tensor) -> Tensor:
    """Return VAE latents from the UNet's: z / 0.75 + 0.22."""
    return latents / LATENT_SCALE + LATENT_SHIFT


def scale_image(image: Tensor) -> Tensor:
    """Return an image in [-1, 1] in the scaling of Zero123++'s VAE: x 0.5 / 0.8."""
    return image * 0.5 / IMAGE_STD


def unscale_image(image: Tensor) -> Tensor:
    """Return an image in [-1, 1] from Zero123++'s: x / 0.5 0.8."""
    return image / 0.5 * IMAGE_STD


class Zero123Plus(Diffusion):
    """Zero123++ with its reference pass, ramped global image embedding and latent scaling."""

    def __init__(self, parts: Parts, precision: str, device: str, switches: Switches = Switches()) -> None:
        super().__init__(parts, precision, device)
        self.switches = switches
        self.needs_condition = switches.needs_condition
        self.vision = parts.vision_encoder.to(self._rest).requires_grad_(False).eval()
        self.ramp = torch.tensor(parts.ramp, device=self.device)[None, :, None]
        self._written: dict[tuple[int, ...], tuple[WritePass, object]] | None = None  # None outside `one_reference`

    @torch.no_grad()
    def encode(self, images: Images) -> Latents:
        """Return the posterior means of images in [0, 1] in the UNet's scaling."""
        views = images.flatten(0, 1).to(self.device)  # (B V 3 h w) -> (B*V 3 h w)
        latents = torch.cat([self._image_posterior(view[None]).mean for view in views]) * self.vae.config.scaling_factor
        scaled: Tensor = (scale_latents(latents) if self.switches.scaling else latents).unflatten(0, images.shape[:2])
        return scaled  # (B*V C hl wl) -> (B V C hl wl)

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """Return images in [0, 1], decoded as one canvas, as the pipeline does."""
        canvases, scaling = assemble(latents).float(), self.switches.scaling  # (B V C hl wl) -> (B C 3hl 2wl)
        decoded = self._decoded((unscale_latents(canvases) if scaling else canvases) / self.vae.config.scaling_factor)
        images = unscale_image(decoded) if scaling else decoded
        return split((images / 2 + 0.5).clamp(0, 1), latents.shape[1])  # (B 3 3h 2w) -> (B V 3 h w)

    @torch.no_grad()
    def encode_condition(self, images: Float[Tensor, "B 3 h w"], noise: Tensor | None = None) -> Condition:
        """Return condition latents and global embeddings of images in [0, 1].

        The pipeline samples the posterior with ``noise``; without noise the result is the mean, so that a scene's
        condition is always the same.
        """
        images = images.to(self.device)
        resized = squared(images, self.parts.condition_size) if self.parts.condition_size else images
        with self._working(self.vision):
            embedding = self.vision(self.clip_pixels(images)).image_embeds
        return Condition(self._condition_latents(resized, noise), embedding)

    @torch.no_grad()
    def no_condition(self, condition: Condition, noise: Tensor | None = None) -> Condition:
        """Return guidance's negative: a grey image's latents and no global embedding; ``noise`` as above."""
        assert condition.latents is not None
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        rows, columns = condition.latents.shape[-2:]
        grey = torch.full((1, 3, rows * factor, columns * factor), 0.5, device=self.device)
        latents = self._condition_latents(grey, noise)  # (1 C h w)
        return Condition(latents.expand_as(condition.latents))  # -> (B C h w)

    def lays_canvas(self, view_pass: str) -> bool:
        """Return True: Zero123++ always generates a canvas."""
        return True

    @contextmanager
    def one_reference(self) -> Iterator[None]:
        """Until the block ends, view passes over the same noised condition (the same objects) share one run over it."""
        before = self._written
        self._written = {} if before is None else before  # a block inside another shares that one's runs
        try:
            yield
        finally:
            self._written = before

    def view_pass(self, noisy: Latents, timestep: Timestep, condition: Condition, *, canvas: bool = True,
                  inner: Pass | None = None, reference_noise: Tensor | None = None) -> Latents:
        """Return the prediction for noisy views; the canvas attends to the condition, noised to the same level."""
        context = for_each(self._context(condition), len(noisy))
        current = inner or Pass()
        if self.switches.reference != "none":
            current = self._with_reference(current, context, timestep, condition, reference_noise)
        return split(self._run(assemble(noisy), timestep, context, current), noisy.shape[1])

    def keypoints_need_condition(self, concat: bool) -> bool:
        """Return True if the keypoint pass uses the condition image, by reference or by the text's embedding."""
        return self.switches.keypoints_need_condition(concat)

    def _reference(self, inner: Pass, context: Float[Tensor, "B T D"], timestep: Timestep, condition: Condition,
                   reference_noise: Tensor | None, until: str = "", groups: Groups | None = None) -> Pass:
        if self.switches.reference != "both":
            return inner
        return self._with_reference(inner, context, timestep, condition, reference_noise, until, groups)

    @torch.no_grad()
    def _with_reference(self, inner: Pass, context: Float[Tensor, "B T D"], timestep: Timestep, condition: Condition,
                        noise: Tensor | None, until: str = "", groups: Groups | None = None) -> ReadPass:
        """Run the noised condition image, with the same context, and return the pass that attends to it."""
        inputs = (condition.latents, condition.embedding, timestep, noise)
        kept = self._written if groups is None else None  # a keypoint pass has a context of its own
        key = tuple(map(id, inputs))
        if kept is not None and key in kept:
            return ReadPass(kept[key][0].stored, inner)
        assert condition.latents is not None
        noise = torch.zeros_like(condition.latents) if noise is None else noise
        noisy = self.noised(condition.latents, noise, timestep)
        writing = WritePass(until, groups)
        with suppress(Enough):
            self._run(noisy, timestep, context.detach(), writing)
        if kept is not None:
            kept[key] = writing, inputs  # an object that is kept shares its id with no other
        return ReadPass(writing.stored, inner)

    def _context(self, condition: Condition) -> Float[Tensor, "_ T D"]:
        if condition.embedding is None or not self.switches.embedding:
            return super()._context(condition)
        # (1 T D) + (1 T 1) * (B 1 D) -> (B T D)
        return (self.text + self.ramp * condition.embedding[:, None]).to(self.dtype)

    def _image_posterior(self, images: Float[Tensor, "B 3 h w"]) -> Any:
        """Return the posterior of images in [0, 1]."""
        centred = images * 2 - 1
        return self._posterior(scale_image(centred) if self.switches.scaling else centred)

    def _condition_latents(self, images: Float[Tensor, "B 3 h w"], noise: Tensor | None
                           ) -> Float[Tensor, "B C hl wl"]:
        posterior = self._image_posterior(images)
        latents: Tensor = posterior.mean if noise is None else posterior.mean + posterior.std * noise
        # The pipeline does not multiply by the factor here; without its scaling it is scaled as other latents are.
        return latents if self.switches.scaling else latents * self.vae.config.scaling_factor

    def clip_pixels(self, images: Float[Tensor, "B 3 h w"]) -> Tensor:
        """Return the vision encoder's input for images in [0, 1]."""
        resized = squared(images, self.parts.clip_size)
        mean, std = self.parts.clip_mean, self.parts.clip_std
        return (resized - _per_channel(mean, resized)) / _per_channel(std, resized)


def squared(images: Float[Tensor, "B 3 h w"], side: int) -> Float[Tensor, "B 3 side side"]:
    """Return images in [0, 1] with the shorter side resized to ``side`` and the longer one cropped to its middle."""
    rows, columns = images.shape[-2:]
    if (rows, columns) == (side, side):
        return images
    size = (side, columns * side // rows) if rows <= columns else (rows * side // columns, side)
    images = F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return images[..., top:top + side, left:left + side]


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values).to(like)[:, None, None]


class UNetAlone(Diffusion):
    """Zero123++'s UNet in a plain pipeline: no reference, no image embedding, no latent or image scaling."""
