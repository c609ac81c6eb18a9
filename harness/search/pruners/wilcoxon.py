"""Stop a setting that a signed-rank test finds worse than the best one, with scenes or seeds as pairs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.registry import knob
from harness.search.pruners.base import Pruner

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Wilcoxon(Pruner):
    """Optuna's Wilcoxon rule: a one-sided paired test against the best setting so far."""

    by: str = knob("scene", "pairs of the test: the fit scenes of each seed, or the seeds",
                   choices=("scene", "seed"))
    p: float = knob(0.1, "a setting is given up below this p value", low=1e-6, high=0.5)

    paired: ClassVar[bool] = True

    def fewest(self) -> int:
        """Return how many pairs, if all are worse, bring p below the threshold: each pair halves p."""
        return max(2, math.floor(-math.log2(self.p)) + 1)

    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        return optuna.pruners.WilcoxonPruner(p_threshold=self.p, n_startup_steps=self.fewest())
