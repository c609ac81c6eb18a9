"""What the terms that compare views share: pairs of views, points with their confidence, stacked cameras."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.errors import UsageError
from harness.method.losses.base import Evidence
from harness.ops.geometry import Cameras
from harness.ops.maps import peak_share, soft_peaks


def pairs(views: int, like: Tensor) -> tuple[Int[Tensor, "P"], Int[Tensor, "P"]]:
    """Return the first and second view of every pair."""
    first, second = torch.triu_indices(views, views, 1, device=like.device)
    return first, second


def located(seen: Evidence, window: float,
            temperature: float) -> tuple[Float[Tensor, "B V J 2"], Float[Tensor, "B V J"]]:
    """Return the common tokens' soft-argmax points, and their confidence: the share of the map's mass near its peak.

    ``window`` is in multiples of ``sigma_px``. The confidence carries no gradient, or a term could be lowered by
    giving up.
    """
    radius_px = window * seen.sigma_px
    maps = seen.common_maps.float()  # linear algebra knows no half precision
    return soft_peaks(maps, radius_px, temperature), peak_share(maps.detach(), radius_px)


def stacked(seen: Evidence, term: str, part: Callable[[Cameras], Tensor]) -> Float[Tensor, "B V *rest"]:
    """Return a part of every scene's cameras; raise UsageError if the data has none."""
    if seen.cameras is None:
        raise UsageError(f"losses.{term}: the data has no cameras; drop the term or choose data with cameras")
    return torch.stack([part(cameras) for cameras in seen.cameras]).to(seen.common_maps.device, torch.float32)
