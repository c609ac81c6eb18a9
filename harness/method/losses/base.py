"""What a loss term sees and how it is weighted."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from harness.ops.geometry import Cameras
from harness.ops.tensors import Scalar
from harness.registry import knob


@dataclass(frozen=True)
class Evidence:
    """What one optimisation step shows to the losses; live tensors, so gradients reach the tokens.

    ``maps`` are the selected tokens' maps of the images: per view (B V K H W), or with ``loss_level: grid`` of the
    assembled canvas (B 1 K 3H 2W). ``view_maps`` are the same tokens' maps per view, and ``warped_maps`` those of the
    views' affine copies, made by ``theta`` (output to input, normalised xy, align_corners=False). ``common_maps``
    (B V K H W) are of the step's most often selected tokens, the same in all views: what terms across views compare.
    ``view_error`` is the view pass's denoising error. What a step does not have is None.
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
    """A loss term; ``weight * min(1, step / ramp_steps)`` scales it."""

    weight: float = knob(1.0, "factor of this term in the total", low=0.0)
    ramp_steps: int = knob(0, "steps over which the weight grows from 0; 0 for none", low=0)

    def weight_at(self, step: int) -> float:
        """Return the weight at a step counted from 0."""
        return self.weight * min(1.0, step / self.ramp_steps) if self.ramp_steps else self.weight

    @abstractmethod
    def __call__(self, seen: Evidence) -> Scalar:
        """Return the unweighted term."""


BASE = Loss
