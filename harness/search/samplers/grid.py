"""Every cell of the space, each once, the last dimension fastest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.search.samplers.base import Sampler

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Grid(Sampler):
    """The space itself lists the cells, conditional dimensions included; nothing is drawn."""

    exhaustive: ClassVar[bool] = True

    def build(self, seed: int) -> "optuna.samplers.BaseSampler":
        """Return a sampler because a study needs one; it is never used."""
        import optuna

        return optuna.samplers.RandomSampler(seed=seed)
