"""What every sampler has in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.registry import knob

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Sampler(ABC):
    """Proposes settings. It is built anew for each proposal, from what the study holds and a seed of that proposal."""

    seed: int = knob(0, "varies what is proposed", low=0)

    several: ClassVar[bool] = True  # whether it can search for several objectives at once
    exhaustive: ClassVar[bool] = False  # whether every cell of the space is tried, in order, and nothing is proposed

    @abstractmethod
    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler."""


BASE = Sampler
