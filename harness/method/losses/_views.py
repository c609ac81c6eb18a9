"""Shared by the terms that compare views: pairs of views, points with their confidence, stacked cameras."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.errors import UsageError
from harness.method.losses.base import Loss, LossInputs
from harness.ops.geometry import Cameras
from harness.ops.maps import peak_share, soft_peaks
from harness.ops.tensors import Scalar

Points = Float[Tensor, "B V J 2"]
Confidence = Float[Tensor, "B V J"]


class BetweenViews(Loss):
    """A term that compares the common tokens' points in the views of a scene; 0 for a single view."""

    window: float  # both knobs are declared by the variants, in the order that `list` shows
    temperature: float

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term; 0 for a single view; raise UsageError if it needs cameras and there are none."""
        points, confidence = locate(inputs, self.window, self.temperature)
        if points.shape[1] < 2:
            return points.sum() * 0.0
        return self.compare(inputs, points, confidence)

    @abstractmethod
    def compare(self, inputs: LossInputs, points: Points, confidence: Confidence) -> Scalar:
        """Return the term for at least two views."""


def view_pairs(views: int, like: Tensor) -> tuple[Int[Tensor, "P"], Int[Tensor, "P"]]:
    """Return the first and second view of every pair."""
    first, second = torch.triu_indices(views, views, 1, device=like.device)
    return first, second


def locate(inputs: LossInputs, window: float, temperature: float) -> tuple[Points, Confidence]:
    """Return the common tokens' soft-argmax points, and their confidence: the share of the map's mass near its peak.

    ``window`` is in multiples of ``sigma_px``. The confidence carries no gradient, or a term could be lowered by
    spreading the map.
    """
    radius_px = window * inputs.sigma_px
    maps = inputs.common_maps.float()  # torch.linalg does not support half precision
    return soft_peaks(maps, radius_px, temperature), peak_share(maps.detach(), radius_px)


def stack_cameras(inputs: LossInputs, term: str, part: Callable[[Cameras], Tensor]) -> Float[Tensor, "B V *rest"]:
    """Return a part of every scene's cameras; raise UsageError if the data has none."""
    if inputs.cameras is None:
        raise UsageError(f"losses.{term}: the data has no cameras; drop the term or choose data with cameras")
    return torch.stack([part(cameras) for cameras in inputs.cameras]).to(inputs.common_maps.device, torch.float32)
