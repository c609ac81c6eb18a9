"""The optimisation of keypoint tokens, and of a fusion's gates, against a frozen model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.method.encode import Split
from harness.method.forward import draw_batch, forward
from harness.method.losses.base import Loss
from harness.method.passes import Diverged, Passes
from harness.method.selection.base import Selection
from harness.ops.tensors import generator


@dataclass(frozen=True)
class Step:
    """The report of one step: its number, the number of steps, raw and weighted loss terms, and seconds so far.

    ``probe`` holds the tokens' scores on the fit split after this step (`pck_fit@0.1`, ...) if a probe was due.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float
    probe: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """Evaluates the tokens every ``every`` steps (0: never), without the trial's random generators."""

    every: int = 0
    look: Callable[[Tensor], dict[str, float]] = lambda tokens: {}

    def __call__(self, step: int, tokens: Tensor) -> dict[str, float]:
        """Return the scores after a step, counted from 1; {} if no probe is due."""
        return self.look(tokens) if self.every and step % self.every == 0 else {}


NO_PROBE = Probe()


@dataclass(frozen=True)
class Optimised:
    """Tokens before and after, gates after, and one curve value per step and term."""

    initial: Float[Tensor, "N D"]
    tokens: Float[Tensor, "N D"]
    gates: dict[str, Tensor]
    curve: dict[str, list[float]]
    seconds: float
    snapshots: dict[int, Tensor] = field(default_factory=dict)  # tokens (N D) after some steps, counted from 1


def initial_tokens(count: int, width: int, seed: int) -> Float[Tensor, "N D"]:
    """Return the initial tokens of a seed: standard normal, as StableKeypoints'."""
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
    view_draws = generator("optimise view pass", spec.seed) if "nvs" in losses else None
    curve: dict[str, list[float]] = {}
    snapshots: dict[int, Tensor] = {}
    every = passes.options.snapshot_every
    started = time.perf_counter()
    for step in range(spec.steps):
        # Forward: draw scenes and noise, run both passes.
        batch = draw_batch(passes, split, draws, view_draws)
        inputs = forward(passes, split, selection, tokens, gates, batch)
        # Losses: each term, raw and weighted, and the total.
        terms = {name: loss(inputs) for name, loss in losses.items()}
        weighted = {f"{name}_weighted": losses[name].weight_at(step) * term for name, term in terms.items()}
        total = torch.stack([term.float() for term in weighted.values()]).sum()
        # Backward, one look at all values and gradients, and the update.
        adam.zero_grad(set_to_none=True)
        if total.requires_grad:
            total.backward()
        values, finite = _read({"loss": total, **terms, **weighted}, {"the tokens": tokens, **gates})
        _demand_finite(values, finite, step, curve)
        adam.step()
        # Record the step, and probe the tokens if due; a probe does not count as a step's time.
        for name, value in {"step": float(step), **values}.items():
            curve.setdefault(name, []).append(value)
        if every and (step + 1) % every == 0:
            snapshots[step + 1] = tokens.detach().to("cpu", copy=True)
        seconds = time.perf_counter() - started
        scores = probe(step + 1, tokens.detach())
        started = time.perf_counter() - seconds
        on_step(Step(step + 1, spec.steps, values, seconds, scores))
    final_gates = {name: gate.detach().cpu() for name, gate in gates.items()}
    return Optimised(initial, tokens.detach().cpu(), final_gates, curve, time.perf_counter() - started,
                     snapshots)


def _read(terms: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> tuple[dict[str, float], dict[str, bool]]:
    """Return the terms' values, and whether each parameter's gradient is finite; on a GPU the host waits once."""
    gradients = {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}
    device = next(iter(parameters.values())).device
    parts = [*(term.detach() for term in terms.values()), *(grad.isfinite().all() for grad in gradients.values())]
    numbers = torch.stack([part.to(device, torch.float64) for part in parts]).tolist()
    flags = map(bool, numbers[len(terms):])
    return dict(zip(terms, numbers, strict=False)), dict(zip(gradients, flags, strict=True))


def _demand_finite(values: Mapping[str, float], finite: Mapping[str, bool], step: int,
                   curve: Mapping[str, list[float]]) -> None:
    for name, value in values.items():
        if not abs(value) < float("inf"):
            raise Diverged(f"{name} is {value} at step {step}", curve)
    for name, is_finite in finite.items():
        if not is_finite:
            raise Diverged(f"the gradient of {name} is not finite at step {step}", curve)
