"""Give up on what a signed-rank test finds worse than the best setting, scene by scene or seed by seed."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.registry import knob
from harness.search.pruners.base import Pruner

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Wilcoxon(Pruner):
    """Optuna's Wilcoxon rule: a one-sided test of the differences to the best setting so far, paired."""

    by: str = knob("scene", "what is paired: the fit scenes of each seed, or the seeds",
                   choices=("scene", "seed"))
    p: float = knob(0.1, "a setting is given up below this p value", low=1e-6, high=0.5)

    paired: ClassVar[bool] = True

    def fewest(self) -> int:
        """How many pairs must all be worse for p to fall below the threshold: each halves it."""
        return max(2, math.floor(-math.log2(self.p)) + 1)

    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        return optuna.pruners.WilcoxonPruner(p_threshold=self.p, n_startup_steps=self.fewest())
