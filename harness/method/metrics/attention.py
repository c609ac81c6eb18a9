"""The concentration of attention maps: entropy, peak mass, effective area."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harness.method.metrics.base import Metric, Observations

PEAK_RADIUS = 0.05  # of the map's side


@dataclass(frozen=True)
class Attention(Metric):
    """Means of every recorded map statistic over scenes, views and tokens, and of ``entropy`` in each view.

    Scores carry the names under which the statistics were recorded, such as ``entropy``, ``peak_mass``,
    ``effective_area``, ``entropy_untrained`` or ``entropy_8x8``; ``entropy_view<i>`` if there are several views.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the means."""
        scores = {name: values.double().mean().item() for name, values in observed.attention.items() if values.numel()}
        per_view = observed.attention.get("entropy")
        if per_view is not None and per_view.numel() and per_view.shape[1] > 1:
            for view, values in enumerate(per_view.unbind(1)):
                scores[f"entropy_view{view}"] = values.double().mean().item()
        return scores


def statistics(maps: Float[Tensor, "*batch H W"]) -> dict[str, Float[Tensor, "*batch"]]:
    """Return ``entropy``, ``peak_mass`` and ``effective_area`` of each map."""
    return {"entropy": entropy(maps), "peak_mass": peak_mass(maps), "effective_area": effective_area(maps)}


def distribution(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch H W"]:
    """Return the maps divided by their sums, in float64; a map of zeros becomes uniform."""
    maps = maps.detach().double()
    total = maps.sum((-2, -1), keepdim=True)
    return torch.where(total == 0, 1 / (maps.shape[-2] * maps.shape[-1]), maps / total)


def entropy(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch"]:
    """Return the spatial entropy H(A / sum A) / log S in [0, 1]: 0 for one pixel, 1 for a uniform map.

    The maps are divided by their sum, never passed through a softmax: that gives about 1 for every map.
    """
    return _nats(maps) / math.log(maps.shape[-2] * maps.shape[-1])


def effective_area(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch"]:
    """Return exp(H) / S, the share of the map that a uniform patch of the same entropy would cover."""
    return _nats(maps).exp() / (maps.shape[-2] * maps.shape[-1])


def peak_mass(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch"]:
    """Return the share of the map within 5% of the side around its largest value (the first one of a tie).

    A pixel counts when its centre lies at most 0.05 from the peak's in coordinates where the map is 1 by 1; the peak
    itself always counts, also on a coarse map on which no other pixel does.
    """
    p = distribution(maps)
    height, width = p.shape[-2:]
    peak = p.flatten(-2).argmax(-1)
    dy = (torch.arange(height, dtype=p.dtype, device=p.device) - (peak // width)[..., None]) / height  # (*batch H)
    dx = (torch.arange(width, dtype=p.dtype, device=p.device) - (peak % width)[..., None]) / width  # (*batch W)
    near = dy[..., :, None].square() + dx[..., None, :].square() <= PEAK_RADIUS**2 + 1e-12
    return (p * near).sum((-2, -1))


def _nats(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch"]:
    terms: Tensor = torch.special.entr(distribution(maps))
    return terms.sum((-2, -1))
