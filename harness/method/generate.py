"""The effect of the tokens on generated views: denoising errors without label leaks, and sampled canvases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.method.encode import Split
from harness.method.metrics.attention import entropy
from harness.method.metrics.views import psnr, ssim
from harness.method.passes import Passes, reference_noise
from harness.models.attention.capture import Captured
from harness.models.attention.fused import FusePass
from harness.models.attention.token_maps import token_maps
from harness.models.pipelines.parts import Condition
from harness.ops.euler_ancestral import Draws, Schedule, draw_noise, euler_ancestral, schedule
from harness.ops.tensors import Images, Latents, Maps, generator
from harness.ops.warps import warp

Unguided = dict[tuple[bool, int, int], Latents]  # predictions without tokens: by canvas or not, scene and noise level


@dataclass(frozen=True)
class NoisyViews:
    """The views of one scene at one noise level, with noise that is the same for every trial."""

    noisy: Latents
    target: Latents
    level: Tensor
    condition: Condition
    reference: Tensor | None

    @classmethod
    def draw(cls, passes: Passes, split: Split, scene: int, timestep: int) -> "NoisyViews":
        """Draw the noise of the views, then that of the condition image."""
        clean, condition = split.latents[[scene]], split.condition[[scene]]
        draws = generator("view error", scene, timestep)
        noise = torch.randn(clean.shape, generator=draws).to(clean)
        reference, level = reference_noise(condition, draws), torch.tensor([timestep], device=clean.device)
        return cls(passes.model.noised(clean, noise, level), passes.model.target(clean, noise, level), level, condition,
                   reference)


@dataclass(frozen=True)
class Guided:
    """A prediction guided by maps of the model's own clean estimate; ``watched`` holds its attention to the tokens."""

    estimate: Latents
    maps: Float[Tensor, "1 V J H W"]
    prediction: Latents
    watched: FusePass | None


@torch.no_grad()
def guided_by_estimate(passes: Passes, views: NoisyViews, plain: Latents, tokens: Tensor, kept: Tensor,
                       gates: Mapping[str, Tensor], *, check: bool = False) -> Guided:
    """Run the guided view pass; ``plain`` is the unguided prediction.

    ``check`` compares the captured attention with the layers' outputs.
    """
    estimate = passes.model.clean(views.noisy, plain, views.level)
    maps = passes.maps(estimate, tokens, views.condition)[:, :, kept]  # (1 V J H W)
    guided, watched = predict(passes, views, maps=maps, watch=passes.layers, tokens=tokens[kept], gates=gates,
                              check=check)
    return Guided(estimate, maps, guided, watched)


@torch.no_grad()
def view_errors(passes: Passes, split: Split, tokens: Tensor, kept: Tensor, gates: Mapping[str, Tensor],
                unguided: Unguided | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return denoising errors (M T per noise level) and the entropy of the view pass's own attention to tokens (M V J).

    ``nvs_loss`` is guided by maps from the model's own clean estimate at that noise level, ``nvs_loss_forced`` by the
    true views' maps, which leak the object's place; ``nvs_loss_baseline`` is unguided. All three share their noise,
    which is the same for every trial, so differences are paired.

    ``unguided`` keeps the unguided predictions for later trials with the same model and scenes. Where the fusion does
    not act, the guided ones are the unguided one.
    """
    spec = passes.spec
    unguided = {} if unguided is None else unguided
    rows: dict[str, list[Tensor]] = {}
    entropies = []
    for scene in range(min(spec.view_scenes, len(split))):
        clean = split.latents[[scene]]  # (1 V c h w)
        true_maps = passes.maps(clean, tokens, split.condition[[scene]])[:, :, kept] if passes.fusion_acts else None
        for timestep in spec.view_timesteps:
            views = NoisyViews.draw(passes, split, scene, timestep)
            # Three predictions of the same noisy views: unguided, guided by the own estimate's maps, by the true ones.
            with passes.model.one_reference():
                guided = forced = plain = _unguided(passes, views, (scene, timestep), unguided)
                if true_maps is not None:
                    own = guided_by_estimate(passes, views, plain, tokens, kept, gates)
                    guided = own.prediction
                    forced, _ = predict(passes, views, maps=true_maps, tokens=tokens[kept], gates=gates)
                    if own.watched is not None and own.watched.captured:
                        maps = watched_maps(passes, own.watched.captured, clean.shape[1], len(kept))  # (1 V J H W)
                        entropies.append(entropy(maps).cpu())  # (1 V J)
            for name, prediction in {"": guided, "_forced": forced, "_baseline": plain}.items():
                rows.setdefault(f"nvs_loss{name}", []).append((prediction - views.target).square().mean().cpu())
    return _by_scene(passes, rows, entropies)


def predict(passes: Passes, views: NoisyViews, **guide: Any) -> tuple[Latents, FusePass | None]:
    """Return the view pass's prediction, and its attention to the tokens, as `Passes.view`."""
    return passes.view(views.noisy, views.level, views.condition, views.reference, **guide)


def _unguided(passes: Passes, views: NoisyViews, place: tuple[int, int], unguided: Unguided) -> Latents:
    """Return the prediction without tokens, which depends on no other setting of a trial than its layout."""
    key = (passes.model.lays_canvas(passes.spec.view_pass), *place)
    if key not in unguided:
        unguided[key] = predict(passes, views)[0].cpu()
    return unguided[key].to(views.noisy)


def _by_scene(passes: Passes, rows: Mapping[str, list[Tensor]], entropies: list[Tensor]
              ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the errors (M T) and the mean entropy over noise levels (M V J), both by name."""
    if not rows:
        return {}, {}
    levels = len(passes.spec.view_timesteps)
    errors = {name: torch.stack(values).double().unflatten(0, (-1, levels))  # (M*T) -> (M T)
              for name, values in rows.items()}
    for place, timestep in enumerate(passes.spec.view_timesteps):
        errors[f"nvs_loss@t{timestep}"] = errors["nvs_loss"][:, place]
    if not entropies:
        return errors, {}
    by_level = torch.cat(entropies).unflatten(0, (-1, levels))  # (M*T V J) -> (M T V J)
    name = "entropy_view_pass" + "_apart" * passes.fusion.softmax_apart
    return errors, {name: by_level.mean(1)}


@torch.no_grad()
def sample_views(passes: Passes, condition: Condition, levels: Schedule, draws: Draws, tokens: Tensor,
                 kept: Tensor, gates: Mapping[str, Tensor]) -> Iterator[Latents]:
    """Yield the views' latents after every step from pure noise, guided by maps of the current clean estimate.

    Samples as Zero123++ does, by Euler ancestral steps with classifier-free guidance; the condition gets new noise at
    each step and for each half. Without a condition the text is empty in both halves, so guidance is left out.
    """
    spec, model = passes.spec, passes.model
    negative = model.no_condition(condition) if spec.guidance != 1 else None

    def predict(scaled: Latents, timestep: Tensor, number: int) -> Latents:
        level = timestep[None].to(scaled)
        # (2 B C h w) -> 2 x (B C h w)
        negative_noise, noise = (None, None) if draws.reference is None else draws.reference[number].to(scaled)
        with model.one_reference():
            guided, _ = passes.view(scaled, level, condition, noise)
            if passes.fusion_acts:
                maps = passes.maps(model.clean(scaled, guided, level), tokens, condition)[:, :, kept]
                guided, _ = passes.view(scaled, level, condition, noise, maps=maps, tokens=tokens[kept], gates=gates)
        if negative is None:
            return guided
        unguided, _ = passes.view(scaled, level, negative, negative_noise)
        return unguided + spec.guidance * (guided - unguided)

    yield from euler_ancestral(predict, levels, draws)


def paint(passes: Passes, condition: Condition, shape: Sequence[int], noise: torch.Generator, tokens: Tensor,
          kept: Tensor, gates: Mapping[str, Tensor]) -> Iterator[Latents]:
    """Yield latents of ``shape`` (1 V c h w) after each of ``sampling_steps``, with all noise drawn from ``noise``."""
    steps, model = passes.spec.sampling_steps, passes.model
    reference = None if condition.latents is None else condition.latents.shape
    draws = draw_noise(noise, shape, steps, reference)
    like = torch.empty(0, device=model.device)
    return sample_views(passes, condition, schedule(model.parts.scheduler.config, steps), draws.to(like), tokens, kept,
                        gates)


def painted_views(passes: Passes, split: Split, count: int, tokens: Tensor, kept: Tensor, gates: Mapping[str, Tensor]
                  ) -> Images:
    """Return the generated views (M V 3 h w) of the first ``count`` scenes; a scene's noise is always the same."""
    images = []
    for scene in range(count):
        noise = generator("generated views", scene)
        *_, latents = paint(passes, split.condition[[scene]], (1, *split.latents.shape[1:]), noise, tokens, kept, gates)
        images.append(passes.model.decode(latents).cpu())  # (1 V 3 h w)
    return torch.cat(images)


def likeness(views: Images, truth: Images) -> dict[str, Tensor]:
    """Return PSNR and SSIM (M V) of generated views against the true ones."""
    return {"psnr": psnr(views, truth).double(), "ssim": ssim(views, truth).double()}


def painted_split(passes: Passes, split: Split, views: Images) -> Split:
    """Return the first scenes with generated views in place of the true ones, encoded and warped alike."""
    first = split.part(slice(0, len(views)))
    encode = passes.model.encode
    if first.warped is None or first.theta is None:
        return replace(first, latents=encode(views))
    warped = [encode(warp(scene.expand(len(theta), -1, -1, -1, -1), theta))  # (V 3 h w) -> (A V 3 h w) -> (A V C h w)
              for scene, theta in zip(views, first.theta.cpu(), strict=True)]
    return replace(first, latents=encode(views), warped=torch.stack(warped))


def watched_maps(passes: Passes, captured: Sequence[Captured], views: int, tokens: int) -> Maps:
    """Return the maps (1 V J H W) of the view pass's attention to the tokens, in the softmax that fusion gave them."""
    canvas = passes.model.lays_canvas(passes.spec.view_pass)
    side = passes.spec.map_side
    maps = token_maps(captured, (side, side), tokens=tokens, views=views if canvas else 1, resize="maps")
    return maps if canvas else maps.transpose(0, 1)  # (V 1 J H W) -> (1 V J H W)
