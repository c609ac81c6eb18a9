"""Every setting gets all its seeds and steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.search.pruners.base import Pruner

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class NoPruner(Pruner):
    """Never prunes."""

    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        return optuna.pruners.NopPruner()
