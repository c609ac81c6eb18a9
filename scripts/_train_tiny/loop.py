"""What every training stage shares: a time budget, a learning rate, averaged weights, checkpoints, a log."""

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

from _train_tiny.muon import Muon

WARMUP_STEPS = 50


def cosine(fraction: float) -> float:
    """Return the learning rate's factor after ``fraction`` of the time budget: half a cosine down to a fiftieth."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fraction))


def steady(fraction: float) -> float:
    """Return 1: a run that is to be continued keeps its learning rate."""
    return 1.0


def falling(fraction: float) -> float:
    """Return what a straight line down to nothing leaves: the end of a steady run."""
    return 1 - fraction


class Training:
    """One resumable stage: owns the optimiser, the averaged weights and the clock."""

    def __init__(self, folder: Path, name: str, modules: dict[str, nn.Module], *, minutes: float, lr: float,
                 average: float = 0.995, weight_decay: float = 0.01, rate: Callable[[float], float] = cosine,
                 source: Path | None = None, orthogonal: list[nn.Parameter] | None = None) -> None:
        """Set up the stage ``name`` and go on from its checkpoint in ``folder`` if there is one.

        Without one it starts from that of another stage, ``source``, with a new clock. ``rate`` maps the fraction of
        the time budget to a factor of ``lr``. Muon updates the parameters ``orthogonal``, AdamW the others.
        """
        self.modules, self.lr, self.average, self.budget_s = modules, lr, average, minutes * 60
        self.rate, self.source = rate, source
        self.parameters = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
        self.optimisers = _optimisers(self.parameters, orthogonal or [], lr, weight_decay)
        self.averaged = [p.detach().clone() for p in self.parameters]
        self.path, self.log_path = folder / f"{name}.pt", folder / f"{name}.log"
        self.step, self.spent_s = 0, 0.0
        if self.path.exists():
            self._resume(self.path)
        elif source is not None:
            self._resume(source)
            self.spent_s = 0.0
        self.started = time.monotonic() - self.spent_s
        self.saved_s = self.spent_s
        self.recent: dict[str, list[float]] = {}

    def _resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.averaged, self.step, self.spent_s = state["averaged"], state["step"], state["spent_s"]

    @property
    def seconds(self) -> float:
        """Return the training seconds so far, earlier runs included."""
        return time.monotonic() - self.started

    @property
    def done(self) -> bool:
        """Return whether the time budget is used up."""
        return self.seconds >= self.budget_s

    def update(self, loss: torch.Tensor, **values: float) -> None:
        """Take one optimiser step on ``loss``, gradients clipped at norm 1."""
        warm = min(1.0, (self.step + 1) / WARMUP_STEPS)
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = self.lr * warm * self.rate(min(1.0, self.seconds / self.budget_s))
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, 1.0)
        if torch.isfinite(norm):
            for optimiser in self.optimisers:
                optimiser.step()
        self.step += 1
        keep = min(self.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - keep)
        for key, value in {"loss": loss.item(), "norm": norm.item(), **values}.items():
            self.recent.setdefault(key, []).append(value)

    def log(self, **values: object) -> None:
        """Append one line of JSON: the means since the last line, and what is given."""
        means = {k: round(sum(v) / len(v), 5) for k, v in self.recent.items() if v}
        self.recent.clear()
        with self.log_path.open("a") as file:
            print(json.dumps({"step": self.step, "seconds": round(self.seconds), **means, **values}), file=file)

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {"modules": {k: m.state_dict() for k, m in self.modules.items()}, "averaged": self.averaged,
                 "optimisers": [optimiser.state_dict() for optimiser in self.optimisers], "step": self.step,
                 "spent_s": self.seconds}
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.rename(self.path)
        self.saved_s = self.seconds

    def save_every(self, minutes: float) -> None:
        """Write the checkpoint if the last one is that old."""
        if self.seconds - self.saved_s >= minutes * 60:
            self.save()

    def swap(self) -> None:
        """Exchange the live weights with their running average; call again to go back."""
        with torch.no_grad():
            for live, mean in zip(self.parameters, self.averaged, strict=True):
                kept = live.detach().clone()
                live.copy_(mean)
                mean.copy_(kept)


def _optimisers(parameters: list[nn.Parameter], orthogonal: list[nn.Parameter], lr: float, weight_decay: float
                ) -> list[torch.optim.Optimizer]:
    """Return AdamW for ``parameters`` but those of ``orthogonal``, and Muon for these if there are any."""
    apart = {id(parameter) for parameter in orthogonal}
    rest = [parameter for parameter in parameters if id(parameter) not in apart]
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True)]
    return [*made, Muon(orthogonal, lr, weight_decay)] if orthogonal else made


def seconds_of(log_path: Path) -> Iterable[dict[str, float]]:
    """Yield the lines of a stage's log."""
    return (json.loads(line) for line in log_path.read_text().splitlines())
