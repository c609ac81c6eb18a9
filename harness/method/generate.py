"""The effect of the tokens on generated views: denoising errors without label leaks, and sampled canvases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harness.method.encode import Split
from harness.method.metrics.attention import entropy
from harness.method.metrics.views import psnr, ssim
from harness.method.passes import Passes, reference_noise
from harness.models.attention.capture import Captured, token_maps
from harness.models.attention.fused import FusePass
from harness.models.pipelines.diffusion import Condition, Timestep
from harness.ops.euler_ancestral import Draws, Schedule, draw_noise, euler_ancestral, schedule
from harness.ops.tensors import Images, Latents, Maps, generator


@dataclass(frozen=True)
class Guided:
    """The view pass at one noise level of a scene: unguided, and guided by maps of the model's own clean estimate.

    ``watched`` holds the guided pass's attention to the tokens.
    """

    level: Timestep
    noisy: Latents
    target: Latents
    reference: Tensor | None
    plain: Latents
    estimate: Latents
    maps: Float[Tensor, "1 V J H W"]
    guided: Latents
    watched: FusePass | None


@torch.no_grad()
def guided_by_estimate(passes: Passes, clean: Latents, condition: Condition, scene: int, timestep: int, tokens: Tensor,
                       kept: Tensor, gates: Mapping[str, Tensor], *, check: bool = False) -> Guided:
    """Run the view pass on a test scene (its index is ``scene``) at a noise level, without and with the tokens.

    The noise is the same for every trial. ``check`` compares the captured attention with the layers' outputs.
    """
    model = passes.model
    draws = generator("view error", scene, timestep)
    noise = torch.randn(clean.shape, generator=draws).to(clean)
    reference = reference_noise(condition, draws)
    level = torch.tensor([timestep], device=clean.device)
    noisy, target = model.noised(clean, noise, level), model.target(clean, noise, level)
    plain, _ = passes.view(noisy, level, condition, reference)
    estimate = model.clean(noisy, plain, level)
    maps = passes.maps(estimate, tokens, condition)[:, :, kept]  # (1 V J H W)
    guided, watched = passes.view(noisy, level, condition, reference, maps=maps, watch=passes.layers,
                                  tokens=tokens[kept], gates=gates, check=check)
    return Guided(level, noisy, target, reference, plain, estimate, maps, guided, watched)


@torch.no_grad()
def view_errors(passes: Passes, split: Split, tokens: Tensor, kept: Tensor, gates: Mapping[str, Tensor]
                ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return denoising errors (M T per noise level) and the entropy of the view pass's own attention to tokens (M V J).

    ``nvs_loss`` is guided by maps from the model's own clean estimate at that noise level, ``nvs_loss_forced`` by the
    true views' maps, which leak the object's place; ``nvs_loss_baseline`` is unguided. All three share their noise,
    which is the same for every trial, so differences are paired.
    """
    spec = passes.spec
    rows: dict[str, list[Tensor]] = {}
    entropies = []
    for scene in range(min(spec.view_scenes, len(split))):
        clean, condition = split.latents[scene:scene + 1], split.condition[scene:scene + 1]  # (1 V c h w)
        true_maps = passes.maps(clean, tokens, condition)[:, :, kept]  # (1 V J H W)
        for timestep in spec.view_timesteps:
            # Three predictions of the same noisy views: unguided, guided by the own estimate's maps, by the true ones.
            own = guided_by_estimate(passes, clean, condition, scene, timestep, tokens, kept, gates)
            forced, _ = passes.view(own.noisy, own.level, condition, own.reference, maps=true_maps, tokens=tokens[kept],
                                    gates=gates)
            # Their errors, and the entropy of the guided pass's attention to the tokens.
            for name, prediction in {"": own.guided, "_forced": forced, "_baseline": own.plain}.items():
                rows.setdefault(f"nvs_loss{name}", []).append((prediction - own.target).square().mean().cpu())
            if own.watched is not None and own.watched.captured:
                maps = watched_maps(passes, own.watched.captured, clean.shape[1], len(kept))  # (1 V J H W)
                entropies.append(entropy(maps).cpu())  # (1 V J)
    if not rows:
        return {}, {}
    levels = len(spec.view_timesteps)
    errors = {name: torch.stack(values).double().unflatten(0, (-1, levels))  # (M*T) -> (M T)
              for name, values in rows.items()}
    for place, timestep in enumerate(spec.view_timesteps):
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
        guided, _ = passes.view(scaled, level, condition, noise)
        if passes.fusion_acts:
            maps = passes.maps(model.clean(scaled, guided, level), tokens, condition)[:, :, kept]
            guided, _ = passes.view(scaled, level, condition, noise, maps=maps, tokens=tokens[kept], gates=gates)
        if negative is None:
            return guided
        unguided, _ = passes.view(scaled, level, negative, negative_noise)
        return unguided + spec.guidance * (guided - unguided)

    yield from euler_ancestral(predict, levels, draws)


def generated_quality(passes: Passes, split: Split, truth: Images, tokens: Tensor, kept: Tensor,
                      gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return PSNR and SSIM (M V) of generated views against the true ones."""
    spec, model, images = passes.spec, passes.model, []
    levels = schedule(model.parts.scheduler.config, spec.sampling_steps)
    for scene in range(len(truth)):
        clean, condition = split.latents[scene:scene + 1], split.condition[scene:scene + 1]
        shape = None if condition.latents is None else condition.latents.shape
        draws = draw_noise(generator("generated views", scene), clean.shape, spec.sampling_steps, shape)
        *_, latents = sample_views(passes, condition, levels, draws.to(clean), tokens, kept, gates)  # (1 V c h w)
        images.append(model.decode(latents).cpu())
    views = torch.cat(images)
    return {"psnr": psnr(views, truth).double(), "ssim": ssim(views, truth).double()}


def watched_maps(passes: Passes, captured: Sequence[Captured], views: int, tokens: int) -> Maps:
    """Return the maps (1 V J H W) of the view pass's attention to the tokens, in the softmax that fusion gave them."""
    canvas = passes.model.lays_canvas(passes.spec.view_pass)
    side = passes.spec.map_side
    maps = token_maps(captured, (side, side), tokens=tokens, views=views if canvas else 1, resize="maps")
    return maps if canvas else maps.transpose(0, 1)  # (V 1 J H W) -> (1 V J H W)
