"""Successive halving in several brackets: many settings get few steps, the best of them more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.registry import knob
from harness.search.pruners.base import Pruner

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Hyperband(Pruner):
    """Optuna's Hyperband, on readings of a running trial."""

    by: str = knob("step", "compared values: readings of a running trial", choices=("step",))
    every: int = knob(10, "steps between readings", low=1, high=10_000_000)
    fewest_steps: int = knob(10, "steps that every setting gets", low=1, high=10_000_000)
    factor: int = knob(3, "reduction factor: one of this many settings goes on", low=2, high=100)

    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        most = max(self.fewest_steps, steps)
        return optuna.pruners.HyperbandPruner(self.fewest_steps, most, reduction_factor=self.factor)
