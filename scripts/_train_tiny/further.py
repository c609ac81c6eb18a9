"""Train tiny_zero123plus further: canvases at high noise, single views that ground its attention, fresh scenes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from _train_tiny.loop import Training, falling, steady
from _train_tiny.tiny_sd import GROUNDING_WEIGHT, Latents
from _train_tiny.watch import Watch
from _train_tiny.zero123plus import Canvases, Drawn, Painter, canvas_chunk, joined

CHUNK = 2000
HIGH_FROM = 400
LOG_EVERY, WATCH_EVERY, SAVE_MINUTES = 20, 250, 4


@dataclass(frozen=True)
class Recipe:
    """How to train further; every field is an option of the command line."""

    lr: float = field(default=1e-3, metadata={"help": "learning rate"})
    average: float = field(default=0.995, metadata={"help": "how much of the averaged weights each step keeps"})
    canvases: int = field(default=4, metadata={"help": "canvases of a step"})
    high: float = field(default=0.5, metadata={"help": "share of canvases at noise levels from 400 up"})
    lean: float = field(default=1.0, metadata={"help": "how much these lean to pure noise: 1 not at all, 2 linearly"})
    captioned: float = field(default=0.5, metadata={"help": "share of the other canvases that carry a caption"})
    unconditional: float = field(default=0.1, metadata={"help": "share of canvases without the photograph"})
    ground_every: int = field(default=3, metadata={"help": "every which step also sees single captioned views"})
    singles: int = field(default=8, metadata={"help": "how many of these"})
    muon: int = field(default=0, metadata={"help": "1: Muon for the matrices of the UNet, AdamW for the rest"})
    chunks: int = field(default=2, metadata={"help": "chunks of 2000 scenes to begin with"})
    most_chunks: int = field(default=10, metadata={"help": "chunks of 2000 scenes at most"})
    seen_per_scene: float = field(default=3.0, metadata={"help": "how often scenes are seen before there are more"})

    def draw(self, scenes: int, draws: torch.Generator) -> Drawn:
        """Return what a step's canvases are."""
        rows = torch.randint(scenes, (self.canvases,), generator=draws)
        high, captioned, dropped = torch.rand(3, self.canvases, generator=draws) < torch.tensor(
            [[self.high], [self.captioned], [self.unconditional]])
        above = HIGH_FROM + (1000 - HIGH_FROM) * torch.rand(self.canvases, generator=draws) ** (1 / self.lean)
        timesteps = torch.where(high, above.long().clamp(max=999),
                                torch.randint(HIGH_FROM, (self.canvases,), generator=draws))
        captioned &= ~high
        return Drawn(rows, timesteps, captioned, dropped & ~captioned)

    def wanted_chunks(self, seen: int) -> int:
        """Return how many chunks of scenes there should be once ``seen`` canvases have been seen."""
        return max(self.chunks, min(self.most_chunks, 1 + int(seen / (self.seen_per_scene * CHUNK))))


class Growing:
    """Training scenes that grow by chunks as they are used up."""

    def __init__(self, folder: Path, vae: AutoencoderKL, processes: int) -> None:
        """Keep chunks in ``folder``, rendered by that many processes."""
        self.folder, self.vae, self.processes = folder, vae, processes
        self.chunks: list[Canvases] = []

    def grown(self, chunks: int) -> Canvases:
        """Return the scenes of ``chunks`` chunks, those that are not there yet made first."""
        while len(self.chunks) < chunks:
            first = len(self.chunks) * CHUNK
            self.chunks.append(canvas_chunk(self.folder, self.vae, first, CHUNK, self.processes))
        return joined(self.chunks)


def matrices(unet: nn.Module) -> list[nn.Parameter]:
    """Return the UNet's weights of two or more dimensions, but those of its first and last convolution."""
    return [p for name, p in unet.named_parameters() if p.ndim > 1 and not name.startswith(("conv_in", "conv_out"))]


def train(folder: Path, painter: Painter, scenes: Growing, sources: tuple[Latents, Latents], watch: Watch,
          recipe: Recipe, minutes: float, export: Callable[[Painter], None], decay: bool = False) -> None:
    """Train for ``minutes`` with a steady learning rate, to be continued; or let a copy of that run's end fall to 0.

    Leaves the averaged weights in ``painter``.
    """
    run = Training(folder, "decay" if decay else "steady",
                   {"unet": painter.unet, "text": painter.text, "vision": painter.vision}, minutes=minutes,
                   lr=recipe.lr, average=recipe.average, rate=falling if decay else steady,
                   source=folder / "steady.pt" if decay else None,
                   orthogonal=matrices(painter.unet) if recipe.muon else None)
    draws = torch.Generator().manual_seed(20 + run.step)
    data = scenes.grown(recipe.wanted_chunks(run.step * recipe.canvases))
    if run.step == 0:
        _note(run, painter, watch, recipe, len(data), export)
    while not run.done:
        loss, parts = _losses(painter, data, sources, recipe, run.step, draws)
        run.update(loss, **parts)
        if run.step % LOG_EVERY == 0:
            run.log()
        run.save_every(SAVE_MINUTES)
        if run.step % WATCH_EVERY == 0:
            _note(run, painter, watch, recipe, len(data), export)
            data = scenes.grown(recipe.wanted_chunks(run.step * recipe.canvases))
    run.save()
    _note(run, painter, watch, recipe, len(data), export)
    run.swap()


def _losses(painter: Painter, data: Canvases, sources: tuple[Latents, Latents], recipe: Recipe, step: int,
            draws: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of a step and its parts, for the log."""
    denoising, grounding = painter.canvas_losses(data, recipe.draw(len(data), draws), draws)
    loss = denoising + GROUNDING_WEIGHT * grounding
    parts = {"denoising": denoising.item(), "grounding": grounding.item()}
    if step % recipe.ground_every == 0:
        alone, alone_grounding = painter.single_losses(sources, recipe.singles, draws)
        loss = loss + alone + GROUNDING_WEIGHT * alone_grounding
        parts |= {"alone": alone.item(), "alone_grounding": alone_grounding.item()}
    return loss, parts


def _note(run: Training, painter: Painter, watch: Watch, recipe: Recipe, scenes: int,
          export: Callable[[Painter], None]) -> None:
    """Measure the averaged weights, log that and export them."""
    run.swap()
    measured = watch.measure(painter)
    run.log(canvases=run.step * recipe.canvases, scenes=scenes, **measured)
    export(painter)
    run.swap()
    print(json.dumps({"canvases": run.step * recipe.canvases, **measured}), flush=True)
