"""Covariance matrix adaptation (CMA-ES): number ranges only; choices and conditional ranges are drawn at random."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.registry import knob
from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Cmaes(Sampler):
    """Optuna's CMA-ES."""

    startup: int = knob(1, "settings drawn at random before it begins", low=1, high=100_000)

    several: ClassVar[bool] = False

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler."""
        import optuna

        return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)
