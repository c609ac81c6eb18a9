"""The step at Stable Diffusion 1.5's size, 500 tokens, latents cached: 15 GB of memory, minutes a round on a CPU.

It has random weights, so it needs no download. A run of all sections leaves it out.
"""

from typing import Any

from _bench import step


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return what the section `step` returns."""
    return step.measure("sd15", (500,), rounds)
