"""The view pass's cross-attention, in which a fusion combines text context and keypoint tokens, layer by layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from harness.models.attention.canvas import assemble
from harness.models.attention.capture import Captured, Residual, compare, map_size
from harness.models.attention.hooks import Pass, Queries, attend, heads

LayerFusion = Callable[[Callable[..., Tensor], Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Layout:
    """The images of a pass: one per scene, the canvas, if ``canvas``, else one per view."""

    views: int
    canvas: bool
    latent_size: tuple[int, int]


class FusePass(Pass):
    """Computes every cross-attention's output by ``fuse(attend, context, maps)``.

    ``maps`` (B V K H W) are the keypoint tokens' maps per view; each layer gets them at its own resolution and in its
    own spatial order (B K S), with sum 1 over space. In ``watch`` layers the queries and keys of every attention over
    another context than the layer's own are kept, to measure the view pass's attention to the tokens; with ``check``
    they are also compared with the layers' real outputs: ``residual``.
    """

    def __init__(self, fuse: LayerFusion, maps: Float[Tensor, "B V K H W"], layout: Layout,
                 watch: Sequence[str] = (), *, check: bool = False) -> None:
        self.fuse, self.maps, self.layout, self.watch, self.check = fuse, maps, layout, watch, check
        self.captured: list[Captured] = []
        self.residual = Residual()
        self.entered = False  # whether any layer attended over the tokens
        self._resized: dict[int, Tensor] = {}

    def cross(self, layer: str, attention: Any, query: Queries, context: Tensor) -> Tensor:
        """Compute the layer's output by fusion."""
        def attend_over(other: Tensor, bias: Tensor | None = None,
                        change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
            output = attend(attention, query, other, bias, change)
            self.entered = self.entered or other is not context
            if layer in self.watch and other is not context:
                key = heads(attention.to_k(other), attention.heads)  # (B T D) -> (B A T d)
                size = map_size(query.shape[2], self.layout.latent_size)
                self.captured.append(Captured(layer, query, key, attention.scale, size, bias))
                if self.check:
                    self.residual = self.residual.joined(compare(self.captured[-1], attention, other, output))
            return output

        return self.fuse(attend_over, context, self._maps_at(query.shape[2]))

    def _maps_at(self, positions: int) -> Float[Tensor, "I K S"]:
        if positions not in self._resized:
            self._resized[positions] = layer_maps(self.maps, self.layout, map_size(positions, self.layout.latent_size))
        return self._resized[positions]


def layer_maps(maps: Float[Tensor, "B V K H W"], layout: Layout, size: tuple[int, int]) -> Float[Tensor, "I K S"]:
    """Return the maps at a layer's resolution and in its spatial order, with sum 1 over its space.

    I images: scenes on a canvas, else views. ``size`` is the layer's rows and columns, of the canvas if there is one.
    Shrinking keeps the mass.
    """
    rows, columns = (3, 2) if layout.canvas and layout.views > 1 else (1, 1)
    per_view = (size[0] // rows, size[1] // columns)
    # (B V K H W) -> (B*V K h w) -> (B V K h w) -> (B K 3h*2w) on a canvas, else (B*V K h*w)
    resized = F.interpolate(maps.flatten(0, 1).float(), size=per_view, mode="bilinear", antialias=True)
    resized = resized.unflatten(0, maps.shape[:2])
    flat = assemble(resized).flatten(2) if layout.canvas else rearrange(resized, "b v k h w -> (b v) k (h w)")
    normalised: Tensor = flat / flat.sum(-1, keepdim=True).clamp_min(1e-12)
    return normalised
