"""Stop a setting that is worse than the median of earlier settings at the same point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.registry import knob
from harness.search.pruners.base import Pruner

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Median(Pruner):
    """Optuna's median rule, on the mean over the seeds so far or on readings of a running trial."""

    by: str = knob("seed", "compared values: the mean after each seed, or readings of a running trial",
                   choices=("seed", "step"))
    every: int = knob(10, "steps between readings, by step", low=1, high=10_000_000)
    startup: int = knob(5, "settings that end before any is pruned", low=1, high=100_000)
    warmup: int = knob(0, "steps, or seeds, before a setting may be pruned", low=0, high=10_000_000)

    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        return optuna.pruners.MedianPruner(n_startup_trials=self.startup, n_warmup_steps=self.warmup)
