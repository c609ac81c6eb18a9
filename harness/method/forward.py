"""The forward pass of one optimisation step: it draws a batch and computes the losses' inputs from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from harness.method.encode import Split
from harness.method.losses.base import LossInputs
from harness.method.passes import Passes, on_canvas, reference_noise
from harness.method.selection.base import Selection
from harness.ops.matching import most_frequent
from harness.ops.tensors import Maps, Scalar

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """All random choices of one step, for B scenes; C is 2 if each view has a warped copy (made by ``theta``), else 1.

    The view pass's timesteps, noise and reference noise are None if no loss needs it.
    """

    scenes: Int[Tensor, " B"]
    clean: Float[Tensor, "C B V c h w"]
    noise: Float[Tensor, "C B V c h w"]
    theta: Float[Tensor, "B V 2 3"] | None = None
    timestep: Int[Tensor, " B"] | None = None
    view_noise: Float[Tensor, "B V c h w"] | None = None
    reference: Float[Tensor, "B c h w"] | None = None

    def parts(self, scenes: int) -> list[slice]:
        """Return the batch as micro-batches of at most so many scenes; 0 for one part."""
        count = len(self.scenes)
        step = scenes or count
        return [slice(start, min(count, start + step)) for start in range(0, count, step)]


def draw_batch(passes: Passes, split: Split, draws: torch.Generator, view_draws: torch.Generator | None) -> Batch:
    """Draw a batch; micro-batches do not change which random numbers.

    Args:
        passes: The trial's passes.
        split: The scenes.
        draws: The stream of scenes, warped copies and the keypoint pass's noise.
        view_draws: The stream of the view pass's noise levels and noise; None if no loss needs that pass. It is a
            stream of its own, so that a trial with such a loss sees the same scenes and noise as one without.
    """
    scenes = torch.randperm(len(split), generator=draws)[: passes.spec.scenes_per_step]  # (B)
    clean, theta = split.latents[scenes][None], None  # (B V c h w) -> (1 B V c h w)
    if split.warped is not None and split.theta is not None:
        copies = torch.randint(split.warped.shape[1], (len(scenes),), generator=draws)
        warped, theta = split.warped[scenes, copies], split.theta[scenes, copies]  # (B V c h w), (B V 2 3)
        clean = torch.stack([clean[0], warped])  # (2 B V c h w)
    # The keypoint pass's noise.
    flat = torch.randn(clean.flatten(0, 1).shape, generator=draws).to(clean)  # (C*B V c h w)
    noise = flat.view_as(clean)  # (C*B V c h w) -> (C B V c h w)
    if view_draws is None:
        return Batch(scenes, clean, noise, theta)
    # The view pass's noise levels and noise.
    timestep = torch.randint(len(passes.model.alphas), (len(scenes),), generator=view_draws).to(clean.device)
    view_noise = torch.randn(clean.shape[1:], generator=view_draws).to(clean)  # (B V c h w)
    reference = reference_noise(split.condition[scenes], view_draws)
    return Batch(scenes, clean, noise, theta, timestep, view_noise, reference)


def forward(passes: Passes, split: Split, selection: Selection, tokens: Tensor, gates: Mapping[str, Tensor],
            batch: Batch) -> LossInputs:
    """Return the losses' inputs for a batch.

    With micro-batches the UNet runs part by part under gradient checkpointing, so that the activations of one part
    only are in memory. Selection and losses always get the whole batch: terms that couple or average scenes have the
    same value as without micro-batches.
    """
    spec, parts = passes.spec, batch.parts(passes.options.micro_batch)
    views, copies = batch.clean.shape[2], len(batch.clean)

    # Keypoint pass: capture attention, read every token's map, choose tokens.
    captures, detached_maps, picks = [], [], []
    for rows in parts:
        clean, noise = (part[:, rows].flatten(0, 1) for part in (batch.clean, batch.noise))  # -> (C*b V c h w)
        noisy = passes.model.noised(clean, noise, spec.timestep)
        captures.append(_run(passes.keypoint, noisy, tokens, split.condition[batch.scenes[rows]],
                             checkpointing=len(parts) > 1))
        with torch.no_grad():
            maps = passes.token_maps(captures[-1], views, len(tokens))  # (C*b V N H W)
            detached_maps.append(maps)
            picks.append(_select(passes, selection, maps.unflatten(0, (copies, -1))))  # (C b V N H W) -> (b U K)
    chosen = torch.cat(picks).expand(-1, views, -1)  # (B U K) -> (B V K)
    common = most_frequent(chosen, spec.tokens, chosen.shape[-1])  # (K)
    # Differentiable maps of the chosen and the common tokens alone.
    wanted = chosen, common.expand_as(chosen)  # 2 x (B V K)
    live_maps = [
        passes.chosen_maps(capture, maps, *(some[rows].repeat(copies, 1, 1) for some in wanted))  # (b V K) -> (C*b V K)
        for capture, maps, rows in zip(captures, detached_maps, parts, strict=True)
    ]
    chosen_maps, common_maps = (
        torch.cat([maps.unflatten(0, (copies, -1)) for maps in some], 1)  # (C*b V K H W) -> (C B V K H W)
        for some in zip(*live_maps, strict=True)
    )
    # View pass, guided by the common tokens' maps, and the inputs of the losses.
    return LossInputs(
        maps=_level(passes)(chosen_maps[0]), view_maps=chosen_maps[0], common_maps=common_maps[0],
        warped_maps=chosen_maps[1] if copies > 1 else None, theta=batch.theta, tokens=tokens,
        cameras=split.cameras(batch.scenes.tolist()), sigma_px=spec.sigma_px,
        view_error=forced_error(passes, split, batch, common_maps[0].detach(), tokens[common], gates),
    )


def forced_error(passes: Passes, split: Split, batch: Batch, maps: Maps, tokens: Float[Tensor, "N D"],
                 gates: Mapping[str, Tensor]) -> Scalar | None:
    """Return the view pass's denoising error at random noise levels, guided by the true views' maps (training only)."""
    if batch.timestep is None:
        return None
    parts = batch.parts(passes.options.micro_batch)
    needs_grad = passes.fusion_acts and torch.is_grad_enabled()
    with torch.set_grad_enabled(needs_grad):
        errors = [_run(_error, passes, split, batch, rows, maps[rows], tokens, gates,
                       checkpointing=needs_grad and len(parts) > 1)
                  * (len(batch.scenes[rows]) / len(batch.scenes)) for rows in parts]
        return torch.stack(errors).sum()


def _error(passes: Passes, split: Split, batch: Batch, rows: slice, maps: Maps, tokens: Tensor,
           gates: Mapping[str, Tensor]) -> Scalar:
    """Return the mean squared error of some of the batch's scenes."""
    assert batch.timestep is not None
    assert batch.view_noise is not None
    model, clean, noise, timestep = passes.model, batch.clean[0, rows], batch.view_noise[rows], batch.timestep[rows]
    reference = None if batch.reference is None else batch.reference[rows]
    prediction, _ = passes.view(model.noised(clean, noise, timestep), timestep, split.condition[batch.scenes[rows]],
                                reference, maps=maps, tokens=tokens, gates=gates)
    return (prediction - model.target(clean, noise, timestep)).square().mean()


def _select(passes: Passes, selection: Selection, maps: Float[Tensor, "C B V N H W"]) -> Int[Tensor, "B U K"]:
    """Return the tokens that selection chooses: per view, or on the canvas once for all of a scene's views."""
    level, spec = _level(passes), passes.spec
    ranked_on = level(maps[0])
    spread_on = ranked_on if len(maps) == 1 else level(maps[1])
    return selection(ranked_on, spread_on, keypoints=spec.keypoints, sigma_px=spec.sigma_px)


def _level(passes: Passes) -> Callable[[Maps], Tensor]:
    """Return the function from maps per view to the maps that selection and losses get."""
    return on_canvas if passes.spec.loss_level == "grid" else lambda maps: maps


def _run(function: Callable[..., T], *inputs: Any, checkpointing: bool) -> T:
    """Call a function, with gradient checkpointing if asked for."""
    if not checkpointing:
        return function(*inputs)
    result: T = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
