"""Tree-structured Parzen estimator (TPE): settings that resemble the best so far more than the others."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.registry import knob
from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Tpe(Sampler):
    """Optuna's TPE; dimensions of a group are drawn jointly, running settings count as poor (constant liar)."""

    startup: int = knob(10, "settings drawn at random before it begins", low=1, high=100_000)
    candidates: int = knob(24, "candidates from which the most promising is taken", low=1, high=100_000)

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler; dimensions that depend on the same option form a group."""
        import optuna

        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates,
                                          multivariate=True, group=True, constant_liar=True)
