"""The base class of pruners."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Pruner(ABC):
    """Stops settings with poor values early.

    Its knob ``by`` selects the readings that it compares: one per `seed`, one per `scene` of the fit split (added after
    each seed), or one every ``every`` steps of a running trial (`step`). It decides after each new reading.

    Example:
        >>> from dataclasses import dataclass
        >>> from harness.registry import knob
        >>> @dataclass(frozen=True)
        ... class Patient(Pruner):
        ...     by: str = knob("seed", "compared values: the mean after each seed", choices=("seed",))
        ...     def build(self, steps):
        ...         import optuna
        ...         return optuna.pruners.MedianPruner(n_startup_trials=20)
        >>> pruner = Patient()
        >>> pruner.reading, pruner.fewest(), type(pruner.build(steps=300)).__name__
        ('seed', 1, 'MedianPruner')
    """

    paired: ClassVar[bool] = False  # True if it compares the readings pair by pair instead of the mean so far

    @property
    def reading(self) -> str:
        """The value of the knob `by`: `seed`, `scene` or `step`; "" for a pruner that never prunes."""
        return str(getattr(self, "by", ""))

    def fewest(self) -> int:
        """Return the number of readings that it needs before it can stop a setting."""
        return 1

    @abstractmethod
    def build(self, steps: int) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner.

        Args:
            steps: largest number of steps of a setting, summed over its seeds.

        Raises:
            ValueError: Optuna refuses the values of the knobs.
        """


BASE = Pruner
