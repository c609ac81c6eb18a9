"""The base class of samplers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.registry import knob

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Sampler(ABC):
    """Proposes the settings of a search.

    A sampler is rebuilt for each proposal from the study and the proposal's own seed, so that a resumed search proposes
    the same settings as an uninterrupted one. Subclasses are frozen dataclasses whose knobs are declared with `knob`.

    Example:
        >>> class Uniform(Sampler):
        ...     def build(self, seed):
        ...         import optuna
        ...         return optuna.samplers.RandomSampler(seed=seed)
        >>> type(Uniform(seed=3).build(seed=17)).__name__
        'RandomSampler'

    Args:
        seed: seed of the search; each proposal's seed is a hash of it, the study's name and the proposal's number.
    """

    seed: int = knob(0, "seed of the proposals", low=0)

    several: ClassVar[bool] = True  # False if it supports a single objective only
    exhaustive: ClassVar[bool] = False  # True if every cell of the space is tried in order and none is proposed

    @abstractmethod
    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return Optuna's sampler.

        Args:
            seed: seed of one proposal.

        Raises:
            ValueError: Optuna refuses the values of the knobs.
        """


BASE = Sampler
