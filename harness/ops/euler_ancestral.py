"""Euler ancestral sampling of a diffusion model's latents from pure noise; all random numbers are arguments.

Source: k-diffusion's sample_euler_ancestral, as in diffusers' EulerAncestralDiscreteScheduler, whose noise levels it
uses. sigma is the ratio of noise to signal; the UNet's input is the latents divided by sqrt(sigma^2 + 1).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Predict = Callable[[Tensor, Tensor, int], Tensor]  # scaled latents, timestep, number of the step -> prediction


@dataclass(frozen=True)
class Schedule:
    """The noise levels of P steps: training timesteps, which may be fractional, and sigmas down to 0."""

    timesteps: Float[Tensor, " P"]
    sigmas: Float[Tensor, " P+1"]
    start: float  # the spread of the first latents
    prediction_type: str


@dataclass(frozen=True)
class Draws:
    """A sampling run's random numbers, standard normal: first latents, each step's new noise, the condition's noise.

    ``reference`` is for guidance's negative and positive half; None if the model has no condition image.
    """

    initial: Float[Tensor, "..."]
    steps: Float[Tensor, "P ..."]
    reference: Float[Tensor, "P 2 B C h w"] | None = None

    def to(self, like: Tensor) -> "Draws":
        """Return the draws on the device and in the type of the latents."""
        reference = None if self.reference is None else self.reference.to(like)
        return Draws(self.initial.to(like), self.steps.to(like), reference)


def schedule(config: Any, steps: int, spacing: str = "trailing") -> Schedule:
    """Return the noise levels of a scheduler's configuration; Zero123++'s authors use the default ``spacing``."""
    from diffusers import EulerAncestralDiscreteScheduler

    scheduler = EulerAncestralDiscreteScheduler.from_config(config, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    return Schedule(scheduler.timesteps.double(), scheduler.sigmas.double(), float(scheduler.init_noise_sigma),
                    scheduler.config.prediction_type)


def draw_noise(generator: torch.Generator, shape: Sequence[int], steps: int, reference: Sequence[int] | None) -> Draws:
    """Draw a run's noise in the order of its use; ``reference`` is the condition latents' shape."""
    initial = torch.randn(*shape, generator=generator)
    steps_noise, conditions = [], []
    for _ in range(steps):
        if reference is not None:
            conditions.append(torch.randn(2, *reference, generator=generator))
        steps_noise.append(torch.randn(*shape, generator=generator))
    return Draws(initial, torch.stack(steps_noise), torch.stack(conditions) if conditions else None)


def euler_ancestral(predict: Predict, levels: Schedule, draws: Draws) -> Iterator[Tensor]:
    """Yield the latents after each step; the last ones are the sample."""
    latents = draws.initial * levels.start
    pairs = zip(levels.sigmas[:-1].tolist(), levels.sigmas[1:].tolist(), strict=True)
    for number, (sigma, sigma_next) in enumerate(pairs):
        prediction = predict(latents / (sigma**2 + 1) ** 0.5, levels.timesteps[number], number)
        if levels.prediction_type == "epsilon":
            clean = latents - sigma * prediction
        else:
            clean = latents / (sigma**2 + 1) - sigma / (sigma**2 + 1) ** 0.5 * prediction
        sigma_up = (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5
        sigma_down = (sigma_next**2 - sigma_up**2) ** 0.5
        latents = latents + (latents - clean) / sigma * (sigma_down - sigma) + sigma_up * draws.steps[number]
        yield latents
