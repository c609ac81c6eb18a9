"""The interface of a loss term: its inputs in one optimisation step, and its weight."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from harness.ops.geometry import Cameras
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class LossInputs:
    """The tensors of one optimisation step that losses see; gradients flow through them to the tokens.

    Attributes:
        maps: The selected tokens' maps per view, or of the canvas (B 1 K 3H 2W) with ``loss_level: grid``.
        view_maps: The same tokens' maps, always per view.
        common_maps: Maps of the tokens that the step selects most often, the same in all views, to compare views.
        warped_maps: ``view_maps`` of the views' affine copies; None without copies.
        theta: The copies' warps, from output to input in normalised xy (align_corners=False); None without copies.
        cameras: Each scene's cameras; None if the data has none.
        view_error: The view pass's denoising error; None if no loss needs it.
        sigma_px: Spread of the target Gaussians in map pixels.
    """

    maps: Float[Tensor, "B U K Y X"]
    view_maps: Float[Tensor, "B V K H W"]
    common_maps: Float[Tensor, "B V J H W"]
    warped_maps: Float[Tensor, "B V K H W"] | None
    theta: Float[Tensor, "B V 2 3"] | None
    tokens: Float[Tensor, "N D"]
    cameras: tuple[Cameras, ...] | None
    view_error: Scalar | None
    sigma_px: float


@dataclass(frozen=True)
class Loss(ABC):
    """A loss term; it is scaled by ``weight * min(1, step / ramp_steps)``.

    >>> import torch
    >>> class Mean(Loss):
    ...     def __call__(self, inputs):
    ...         return inputs.view_maps.mean()
    >>> maps = torch.full((1, 1, 2, 4, 4), 0.5)
    >>> inputs = LossInputs(maps, maps, maps, None, None, torch.zeros(2, 3), None, None, 1.0)
    >>> term = Mean(weight=2.0, ramp_steps=10)
    >>> term(inputs), term.weight_at(5)
    (tensor(0.5000), 1.0)
    """

    weight: float = knob(1.0, "factor of this term in the total", low=0.0)
    ramp_steps: int = knob(0, "steps over which the weight grows from 0; 0 for none", low=0)

    def weight_at(self, step: int) -> float:
        """Return the weight at a step counted from 0."""
        return self.weight * min(1.0, step / self.ramp_steps) if self.ramp_steps else self.weight

    @abstractmethod
    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term, differentiable in the maps; raise UsageError if an input it needs is None."""


BASE = Loss
