"""What one optimisation step draws, and what it shows to the losses: the whole batch at once, or in micro-batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from harness.method.encode import Split
from harness.method.losses.base import Evidence
from harness.method.passes import Passes, on_canvas, reference_noise
from harness.method.selection.base import Selection
from harness.ops.matching import most_frequent
from harness.ops.tensors import Maps, Scalar

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """All that chance decides in one step: B scenes; C is 2 where each has a warped copy (made by ``theta``), else 1.

    The view pass's timesteps, noise and reference noise are None where no loss needs it.
    """

    scenes: Int[Tensor, " B"]
    clean: Float[Tensor, "C B V c h w"]
    noise: Float[Tensor, "C B V c h w"]
    theta: Float[Tensor, "B V 2 3"] | None = None
    timestep: Int[Tensor, " B"] | None = None
    view_noise: Float[Tensor, "B V c h w"] | None = None
    reference: Float[Tensor, "B c h w"] | None = None

    def parts(self, scenes: int) -> list[slice]:
        """Return the batch in micro-batches of so many scenes; 0 for all at once."""
        count = len(self.scenes)
        step = scenes or count
        return [slice(start, min(count, start + step)) for start in range(0, count, step)]


def draw(passes: Passes, split: Split, draws: torch.Generator, *, needs_views: bool) -> Batch:
    """Draw a batch; every random number comes from ``draws``, the same ones however the step is then computed."""
    scenes = torch.randperm(len(split), generator=draws)[: passes.spec.scenes_per_step]
    clean, theta = split.latents[scenes][None], None
    if split.warped is not None and split.theta is not None:
        copies = torch.randint(split.warped.shape[1], (len(scenes),), generator=draws)
        clean, theta = torch.stack([clean[0], split.warped[scenes, copies]]), split.theta[scenes, copies]
    noise = torch.randn(clean.flatten(0, 1).shape, generator=draws).to(clean).view_as(clean)
    if not needs_views:
        return Batch(scenes, clean, noise, theta)
    timestep = torch.randint(len(passes.model.alphas), (len(scenes),), generator=draws).to(clean.device)
    view_noise = torch.randn(clean.shape[1:], generator=draws).to(clean)
    return Batch(scenes, clean, noise, theta, timestep, view_noise, reference_noise(split.condition[scenes], draws))


def observe(passes: Passes, split: Split, selection: Selection, tokens: Tensor, gates: Mapping[str, Tensor],
            batch: Batch) -> Evidence:
    """Return what the losses see of a batch.

    In micro-batches the UNet runs part by part and, on the way back, once more: each part's activations live only
    while its own gradient is taken. Selection and losses see the whole batch, so that terms which couple scenes, and
    those that average over them, are what they would be at once.
    """
    spec, parts = passes.spec, batch.parts(passes.options.micro_batch)
    views, copies = batch.clean.shape[2], len(batch.clean)
    captured, still, picks = [], [], []
    for rows in parts:
        clean, noise = batch.clean[:, rows].flatten(0, 1), batch.noise[:, rows].flatten(0, 1)
        noisy = passes.model.noised(clean, noise, spec.timestep)
        captured.append(_run(len(parts) > 1, passes.keypoint, noisy, tokens,
                             split.condition[batch.scenes[rows]]))
        with torch.no_grad():
            still.append(passes.read(captured[-1], views, len(tokens)))
            picks.append(_pick(passes, selection, still[-1].unflatten(0, (copies, -1))))
    chosen = torch.cat(picks).expand(-1, views, -1)
    common = most_frequent(chosen, spec.tokens, chosen.shape[-1])
    wanted = torch.cat([chosen, common.expand_as(chosen)], -1)
    live = torch.cat([
        passes.live(capturing, maps, wanted[rows].repeat(copies, 1, 1)).unflatten(0, (copies, -1))
        for capturing, maps, rows in zip(captured, still, parts, strict=True)
    ], 1)
    own, common_maps = live.split(chosen.shape[-1], 3)
    return Evidence(
        maps=_level(passes)(own[0]), view_maps=own[0], common_maps=common_maps[0],
        warped_maps=own[1] if copies > 1 else None, theta=batch.theta, tokens=tokens,
        cameras=split.cameras(batch.scenes.tolist()), sigma_px=spec.sigma_px,
        view_error=forced_error(passes, split, batch, common_maps[0].detach(), tokens[common], gates),
    )


def forced_error(passes: Passes, split: Split, batch: Batch, maps: Tensor, tokens: Tensor,
                 gates: Mapping[str, Tensor]) -> Scalar | None:
    """Return the view pass's denoising error at random noise levels, guided by the true views' maps (training only)."""
    if batch.timestep is None:
        return None
    parts = batch.parts(passes.options.micro_batch)
    live = passes.acts and torch.is_grad_enabled()
    with torch.set_grad_enabled(live):
        errors = [_run(live and len(parts) > 1, _error, passes, split, batch, rows, maps[rows], tokens, gates)
                  * (len(batch.scenes[rows]) / len(batch.scenes)) for rows in parts]
        return torch.stack(errors).sum()


def _error(passes: Passes, split: Split, batch: Batch, rows: slice, maps: Tensor, tokens: Tensor,
           gates: Mapping[str, Tensor]) -> Scalar:
    """Return the mean squared error of some of the batch's scenes."""
    assert batch.timestep is not None
    assert batch.view_noise is not None
    model, clean, noise, timestep = passes.model, batch.clean[0, rows], batch.view_noise[rows], batch.timestep[rows]
    reference = None if batch.reference is None else batch.reference[rows]
    prediction, _ = passes.view(model.noised(clean, noise, timestep), timestep, split.condition[batch.scenes[rows]],
                                reference, maps=maps, tokens=tokens, gates=gates)
    return (prediction - model.target(clean, noise, timestep)).square().mean()


def _pick(passes: Passes, selection: Selection, maps: Float[Tensor, "C B V N H W"]) -> Int[Tensor, "B U K"]:
    """Return the tokens that selection chooses: per view, or on the canvas once for all of a scene's views."""
    level, spec = _level(passes), passes.spec
    arranged = level(maps[0])
    spread = arranged if len(maps) == 1 else level(maps[1])
    return selection(arranged, spread, keypoints=spec.keypoints, sigma_px=spec.sigma_px)


def _level(passes: Passes) -> Callable[[Maps], Tensor]:
    return on_canvas if passes.spec.loss_level == "grid" else lambda maps: maps


def _run(again: bool, function: Callable[..., T], *inputs: Any) -> T:
    """Call a function; with ``again`` keep none of its activations and compute it once more on the way back."""
    if not again:
        return function(*inputs)
    result: T = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
