"""Settings drawn at random: the baseline for every sampler."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Random(Sampler):
    """Independent draws."""

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler."""
        import optuna

        return optuna.samplers.RandomSampler(seed=seed)
