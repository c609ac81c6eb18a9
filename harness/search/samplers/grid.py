"""Every cell of the space, each once, the last dimension fastest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Grid(Sampler):
    """Nothing is drawn: the cells are laid out by the space itself, conditional dimensions too."""

    exhaustive: ClassVar[bool] = True

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return a sampler for the study to hold; it is not asked."""
        import optuna

        return optuna.samplers.RandomSampler(seed=seed)
