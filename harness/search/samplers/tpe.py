"""Tree-structured Parzen estimator: more of what did well, where few have looked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.registry import knob
from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Tpe(Sampler):
    """Optuna's TPE, all dimensions of a group drawn together, settings under way counted as poor (constant liar)."""

    startup: int = knob(10, "settings drawn at random before it begins", low=1, high=100_000)
    candidates: int = knob(24, "candidates from which the most promising is taken", low=1, high=100_000)

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler; dimensions are grouped by the options that they hang on."""
        import optuna

        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates,
                                          multivariate=True, group=True, constant_liar=True)
