"""The optimisation of keypoint tokens, and of a fusion's gates, against a frozen model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.method.encode import Split
from harness.method.forward import draw, observe
from harness.method.losses.base import Loss
from harness.method.passes import Diverged, Passes
from harness.method.selection.base import Selection
from harness.ops.tensors import generator


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
        batch = draw(passes, split, draws, needs_views="nvs" in losses)
        seen = observe(passes, split, selection, tokens, gates, batch)
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
