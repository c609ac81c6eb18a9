"""A trial's two passes, with its settings: the keypoint pass that yields maps, the view pass that denoises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from harness.config.spec import RunOptions, TrialSpec
from harness.method.fusion.base import Fusion, Guidance
from harness.models.attention import token_maps
from harness.models.attention.canvas import assemble
from harness.models.attention.capture import CapturePass
from harness.models.attention.fused import FusePass
from harness.models.attention.groups import Beside
from harness.models.loading.embeddings import read_embeddings
from harness.models.pipelines.diffusion import Diffusion, Timestep
from harness.models.pipelines.parts import Condition
from harness.ops.tensors import Latents, Maps, generator


class Diverged(Exception):
    """A loss, a gradient or a map stopped being a finite number; ``curve`` holds the values recorded before."""

    def __init__(self, reason: str, curve: Mapping[str, list[float]] | None = None) -> None:
        super().__init__(reason)
        self.curve = dict(curve or {})


@dataclass(frozen=True)
class Passes:
    """The model, the fusion and the settings that every pass of a trial shares."""

    model: Diffusion
    fusion: Fusion
    spec: TrialSpec
    options: RunOptions = RunOptions()

    @property
    def layers(self) -> list[str]:
        """The captured layers' names."""
        return self.model.layers(self.spec.layers)

    @property
    def fusion_acts(self) -> bool:
        """True if the tokens can change the view pass at all."""
        return self.fusion.strength > 0 and self.spec.fusion.name != "none"

    @property
    def beside(self) -> Beside:
        """What stands in the keypoint pass's context beside the tokens."""
        spec = self.spec
        further = read_embeddings(spec.context_file, self.model.width) if spec.context_file else ()
        return Beside(spec.context == "concat", spec.text_tokens, spec.text_bias, further,
                      spec.context_softmax == "separate")

    def keypoint(self, noisy: Latents, tokens: Float[Tensor, "N D"], condition: Condition, *,
                 check: bool = False) -> CapturePass:
        """Run the keypoint pass on noisy views and return what it captured; the condition's noise is always the same.

        If there are more scenes than the condition has, they are its scenes repeated: views, then their warped copies.
        """
        spec = self.spec
        reference = None
        if condition.latents is not None:
            noise = torch.randn(condition.latents.shape[1:], generator=generator("keypoint pass reference"))
            condition = condition.repeated(len(noisy) // len(condition.latents))  # (B ...) -> (C*B ...)
            assert condition.latents is not None
            reference = noise.to(condition.latents).expand_as(condition.latents)  # (c h w) -> (C*B c h w)
        return self.model.keypoint_pass(noisy, tokens, spec.timestep, layers=self.layers,
                                        canvas=spec.view_pass == "canvas", beside=self.beside, check=check,
                                        condition=condition, reference_noise=reference)

    def maps(self, clean: Latents, tokens: Float[Tensor, "N D"], condition: Condition,
             noise: Latents | None = None) -> Maps:
        """Return every token's map of clean views; without ``noise`` the noise is always the same."""
        noise = self.fixed_noise(clean) if noise is None else noise
        captured = self.keypoint(self.model.noised(clean, noise, self.spec.timestep), tokens, condition)
        return self.token_maps(captured, clean.shape[1], len(tokens))

    def token_maps(self, captured: CapturePass, views: int, tokens: int) -> Maps:
        """Return every token's map, averaged over the captured layers and heads."""
        on_canvas = views if self.spec.view_pass == "canvas" else 1
        size = (self.spec.map_side, self.spec.map_side)
        maps = token_maps.token_maps(captured.captured, size, tokens=tokens, views=on_canvas, resize=self.spec.resize,
                                  dtype=self.model.map_dtype)
        return maps if on_canvas > 1 else rearrange(maps, "(b v) 1 n h w -> b v n h w", v=views)

    def chosen_maps(self, captured: CapturePass, maps: Maps, *chosen: Int[Tensor, "B V _"]
                    ) -> tuple[Float[Tensor, "B V _ H W"], ...]:
        """Return the maps of each chosen set of tokens out of those of `token_maps`, with gradients to the tokens."""
        if self.spec.view_pass == "canvas":
            return token_maps.chosen_maps(captured.captured, maps, *chosen, resize=self.spec.resize)
        flat, *indices = (rearrange(part, "b v ... -> (b v) 1 ...") for part in (maps, *chosen))
        live_maps = token_maps.chosen_maps(captured.captured, flat, *indices, resize=self.spec.resize)
        return tuple(rearrange(part, "(b v) 1 j h w -> b v j h w", v=maps.shape[1]) for part in live_maps)

    def fixed_noise(self, clean: Latents) -> Latents:
        """Return the noise with which views are always localised, the same for every scene."""
        noise = torch.randn(clean.shape[1:], generator=generator("keypoint pass noise"))
        return noise.to(clean).expand_as(clean)  # (V c h w) -> (B V c h w)

    def view(self, noisy: Latents, timestep: Timestep, condition: Condition, reference_noise: Tensor | None, *,
             maps: Maps | None = None, tokens: Float[Tensor, "K D"] | None = None,
             gates: Mapping[str, Tensor] | None = None, watch: Sequence[str] = (), check: bool = False
             ) -> tuple[Latents, FusePass | None]:
        """Return the view pass's prediction, guided by ``tokens`` and their detached ``maps`` unless these are None.

        The second value holds the view pass's own attention to the tokens in the ``watch`` layers, with its residual
        after a ``check``; None if unguided.
        """
        canvas = self.model.lays_canvas(self.spec.view_pass)
        inner = None
        if maps is not None and tokens is not None:
            mass = _mass(maps, canvas)
            layout = self.model.layout(noisy, canvas)

            def fuse(attend: object, context: Tensor, layer_maps: Tensor) -> Tensor:
                return self.fusion(attend, context, Guidance(tokens, layer_maps, mass), gates or {})  # type: ignore[arg-type]

            inner = FusePass(fuse, maps.detach(), layout, watch, check=check)
        prediction = self.model.view_pass(noisy, timestep, condition, canvas=canvas, inner=inner,
                                          reference_noise=reference_noise)
        return prediction, inner


def on_canvas(maps: Maps) -> Float[Tensor, "B 1 N Y X"]:
    """Return the maps of each scene's assembled canvas."""
    return assemble(maps)[:, None]  # (B V N H W) -> (B N 3H 2W) -> (B 1 N 3H 2W)


def reference_noise(condition: Condition, draws: torch.Generator) -> Float[Tensor, "B C h w"] | None:
    """Return the noise of the condition pass, None if the model has no condition."""
    if condition.latents is None:
        return None
    return torch.randn(condition.latents.shape, generator=draws).to(condition.latents)


def _mass(maps: Maps, canvas: bool) -> Float[Tensor, "I K"]:
    """Return the mean attention per image of the view pass: per scene on a canvas, else per view."""
    means = maps.detach().float().mean((-2, -1))  # (B V K)
    return means.mean(1) if canvas else means.flatten(0, 1)  # -> (B K) or (B*V K)
