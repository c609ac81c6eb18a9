"""What every pruner has in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Pruner(ABC):
    """Gives up on settings that do poorly.

    It is asked after each reading of what its knob ``by`` names: every ``seed``, every ``scene`` of
    the fit split (after each seed), or every so many steps (``step``) of a running trial.
    """

    paired: ClassVar[bool] = False  # whether it pairs readings one by one, where others compare the mean so far

    @property
    def reading(self) -> str:
        """What it reads: `seed`, `scene` or `step`; nothing for a pruner that never prunes."""
        return str(getattr(self, "by", ""))

    def fewest(self) -> int:
        """How many readings it needs before it can stop anything."""
        return 1

    @abstractmethod
    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner; a setting has at most ``steps`` steps, over all its seeds."""


BASE = Pruner
