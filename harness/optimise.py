"""The optimisation of keypoint tokens, and of a fusion's gates, against a frozen model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.losses._base import Evidence, Loss
from harness.matching import most_frequent
from harness.passes import Diverged, Passes, gather, on_canvas, reference_noise
from harness.scenes import Split
from harness.selection._base import Selection
from harness.tensors import generator


@dataclass(frozen=True)
class Step:
    """What one step streams: its number, of how many, the loss, its raw and weighted terms, and seconds so far.

    ``probe`` is the reading of the tokens on the fit split after this step (`pck_fit@0.1`, ...), where one was due.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float
    probe: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """A look at the tokens (N D) after every so many steps (0: never), which draws no random number of the trial's."""

    every: int = 0
    look: Callable[[Tensor], dict[str, float]] = lambda tokens: {}

    def __call__(self, step: int, tokens: Tensor) -> dict[str, float]:
        """Return the reading after a step, counted from 1; nothing where none is due."""
        return self.look(tokens) if self.every and step % self.every == 0 else {}


NO_PROBE = Probe()


@dataclass(frozen=True)
class Optimised:
    """Tokens (N D) and gates before and after, and one curve value per step and term."""

    initial: Tensor
    tokens: Tensor
    gates: dict[str, Tensor]
    curve: dict[str, list[float]]
    seconds: float


def initial_tokens(count: int, width: int, seed: int) -> Tensor:
    """Return the tokens that a seed starts from: standard normal, as StableKeypoints'."""
    return torch.randn(count, width, generator=generator("tokens", seed))


def optimise(passes: Passes, split: Split, selection: Selection, losses: Mapping[str, Loss],
             on_step: Callable[[Step], None], probe: Probe = NO_PROBE) -> Optimised:
    """Optimise tokens on a split, without labels; raise Diverged naming the step and the term that is not finite."""
    spec, model = passes.spec, passes.model
    initial = initial_tokens(spec.tokens, model.width, spec.seed)
    tokens = nn.Parameter(initial.to(model.device, copy=True))
    gates = {name: nn.Parameter(gate.detach().to(model.device))
             for name, gate in passes.fusion.gates(model.width).items()}
    groups = [{"params": [tokens], "lr": spec.learning_rate}]
    if gates:
        groups.append({"params": list(gates.values()), "lr": spec.gate_learning_rate})
    adam = torch.optim.Adam(groups)
    draws = generator("optimise", spec.seed)
    curve: dict[str, list[float]] = {}
    started = time.perf_counter()
    for step in range(spec.steps):
        seen = observe(passes, split, selection, tokens, gates, draws, needs_views="nvs" in losses)
        terms = {name: loss(seen) for name, loss in losses.items()}
        weighted = {f"{name}_weighted": losses[name].weight_at(step) * term for name, term in terms.items()}
        total = torch.stack([term.float() for term in weighted.values()]).sum()
        values = {name: value.item() for name, value in {"loss": total, **terms, **weighted}.items()}
        for name, value in values.items():
            if not abs(value) < float("inf"):
                raise Diverged(f"{name} is {value} at step {step}", curve)
        adam.zero_grad(set_to_none=True)
        if total.requires_grad:
            total.backward()
        for name, learned in {"the tokens": tokens, **gates}.items():
            if learned.grad is not None and not bool(learned.grad.isfinite().all()):
                raise Diverged(f"the gradient of {name} is not finite at step {step}", curve)
        adam.step()
        for name, value in {"step": float(step), **values}.items():
            curve.setdefault(name, []).append(value)
        seconds = time.perf_counter() - started
        reading = probe(step + 1, tokens.detach())
        started = time.perf_counter() - seconds  # looking is no part of a step's cost
        on_step(Step(step + 1, spec.steps, values, seconds, reading))
    kept = {name: gate.detach().cpu() for name, gate in gates.items()}
    return Optimised(initial, tokens.detach().cpu(), kept, curve, time.perf_counter() - started)


def observe(passes: Passes, split: Split, selection: Selection, tokens: Tensor, gates: Mapping[str, Tensor],
            draws: torch.Generator, *, needs_views: bool) -> Evidence:
    """Draw a batch and return what the losses see of it; every random number comes from ``draws``."""
    spec = passes.spec
    scenes = torch.randperm(len(split), generator=draws)[: spec.scenes_per_step]
    clean = split.latents[scenes]
    both, theta = clean, None
    if split.warped is not None and split.theta is not None:
        copies = torch.randint(split.warped.shape[1], (len(scenes),), generator=draws)
        both, theta = torch.cat([clean, split.warped[scenes, copies]]), split.theta[scenes, copies]
    noise = torch.randn(both.shape, generator=draws).to(both)
    maps = passes.maps(both, tokens, noise)
    plain, warped = (maps, None) if theta is None else maps.chunk(2)
    level = on_canvas if spec.loss_level == "grid" else _as_they_are
    with torch.no_grad():
        arranged = level(plain.detach())
        spread = arranged if warped is None else level(warped.detach())
        chosen = selection(arranged, spread, keypoints=spec.keypoints, sigma_px=spec.sigma_px)
        common = most_frequent(chosen, spec.tokens, chosen.shape[-1])
    per_view = chosen.expand(-1, plain.shape[1], -1)
    common_maps = plain[:, :, common]
    error = None
    if needs_views:
        error = forced_error(passes, split, scenes, common_maps.detach(), tokens[common], gates, draws)
    return Evidence(
        maps=gather(level(plain), chosen), view_maps=gather(plain, per_view), common_maps=common_maps,
        warped_maps=None if warped is None else gather(warped, per_view), theta=theta, tokens=tokens,
        cameras=split.cameras(scenes.tolist()), view_error=error, sigma_px=spec.sigma_px,
    )


def forced_error(passes: Passes, split: Split, scenes: Tensor, maps: Tensor, tokens: Tensor,
                 gates: Mapping[str, Tensor], draws: torch.Generator) -> Tensor:
    """Return the view pass's denoising error at random noise levels, guided by the true views' maps (training only)."""
    model, clean = passes.model, split.latents[scenes]
    timestep = torch.randint(len(model.alphas), (len(scenes),), generator=draws).to(clean.device)
    noise = torch.randn(clean.shape, generator=draws).to(clean)
    condition = split.condition[scenes]
    reference = reference_noise(condition, draws)
    with torch.set_grad_enabled(passes.acts and torch.is_grad_enabled()):
        prediction, _ = passes.view(model.noised(clean, noise, timestep), timestep, condition, reference,
                                    maps=maps, tokens=tokens, gates=gates)
        return (prediction - model.target(clean, noise, timestep)).square().mean()


def _as_they_are(maps: Tensor) -> Tensor:
    return maps
