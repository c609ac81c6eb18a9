"""Capture of tokens' attention maps from a UNet's cross-attention layers, with gradients, at low cost.

Only queries and keys are kept; every layer's own attention stays fused. Maps are computed from them later, in blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from harness.models.attention.blocks import Layer, gradients, mean_maps, resample
from harness.models.attention.canvas import layout
from harness.models.attention.groups import Groups
from harness.models.attention.hooks import Keys, Pass, Queries, attend, heads, project


class Enough(Exception):
    """The last captured layer is reached: the rest of the UNet need not run."""


class NothingCaptured(RuntimeError):
    """Maps were asked for of a pass that captured no layer's attention; nothing stands in for them."""

    def __init__(self) -> None:
        super().__init__("no attention was captured, so there is no map to score or draw")


@dataclass(frozen=True)
class Captured:
    """One layer's queries over space and keys over tokens; ``size`` is its map's rows and columns on the canvas.

    ``bias`` was added to the logits; None for none.
    """

    layer: str
    query: Queries
    key: Keys
    scale: float
    size: tuple[int, int]
    bias: Float[Tensor, " T"] | None = None

    def probabilities(self, dtype: torch.dtype | None = None) -> Float[Tensor, "B A S T"]:
        """Return the layer's own probabilities, at its own resolution, in ``dtype`` or that of queries and keys."""
        query, key = self.query.to(dtype or self.query.dtype), self.key.to(dtype or self.key.dtype)
        logits = query @ key.transpose(-1, -2) * self.scale  # (B A S d) x (B A d T) -> (B A S T)
        return (logits if self.bias is None else logits + self.bias).softmax(-1)


@dataclass(frozen=True)
class Residual:
    """The largest |probabilities @ V - output|, |output| and |row sum - 1| of layers whose capture was checked."""

    attention: float = 0.0
    output: float = 0.0
    rows: float = 0.0

    @property
    def worst(self) -> float:
        """Return the larger residual; that of the outputs relative to the largest one if that exceeds 1."""
        return worst(self.attention / worst(self.output, 1.0), self.rows)

    def joined(self, other: "Residual") -> "Residual":
        """Return the largest of both."""
        return Residual(worst(self.attention, other.attention), worst(self.output, other.output),
                        worst(self.rows, other.rows))


def compare(captured: Captured, attention: Any, context: Tensor, output: Tensor, dtype: torch.dtype | None = None
            ) -> Residual:
    """Return the residual of captured probabilities, in ``dtype``, against the layer's real output over a context."""
    probabilities = captured.probabilities(dtype)
    value = heads(attention.to_v(context), attention.heads).to(probabilities)  # (B A T d)
    explicit = rearrange(probabilities @ value, "b a s d -> b s (a d)")
    return Residual((explicit - output).abs().max().item(), output.abs().max().item(),
                    (probabilities.sum(-1) - 1).abs().max().item())


class CapturePass(Pass):
    """Keeps queries and keys of chosen layers and stops the UNet after the last of them, unless ``whole``.

    With ``check`` it also compares explicit probabilities, in the maps' ``dtype``, with the layers' real outputs:
    ``residual``. ``groups`` says how attention is shared over the context; None: by one softmax.
    """

    def __init__(self, layers: Sequence[str], latent_size: tuple[int, int], *, whole: bool = False,
                 check: bool = False, dtype: torch.dtype | None = None, groups: Groups | None = None) -> None:
        self.layers, self.latent_size, self.whole, self.check = list(layers), latent_size, whole, check
        self.dtype, self.groups = dtype, groups or Groups((), ())
        self.captured: list[Captured] = []
        self.residual = Residual()

    def cross(self, layer: str, attention: Any, query: Queries, context: Tensor) -> Tensor:
        """Keep the layer's queries and keys, then attend as usual."""
        if layer in self.layers:
            key = project(attention.to_k, attention, self.groups.own(context))
            size = map_size(query.shape[2], self.latent_size)
            self.captured.append(Captured(layer, query, key, attention.scale, size, self.groups.bias))
            if len(self.captured) == len(self.layers) and not (self.whole or self.check):
                raise Enough
        output = self.groups.attend(attention, query, context)
        if self.check and layer in self.layers:
            own = self.groups.own(context)
            real = output if own is context else attend(attention, query, own)
            found = compare(self.captured[-1], attention, own, real, self.dtype)
            self.residual = self.residual.joined(found)
            if len(self.captured) == len(self.layers) and not self.whole:
                raise Enough
        return output


def worst(*values: float) -> float:
    """Return the largest value, NaN if any value is NaN; Python's max may drop a NaN."""
    return next((value for value in values if value != value), max(values))


def up_layers(names: Sequence[str]) -> list[str]:
    """Return the cross-attention layers of the up path, in the order in which the UNet runs them."""
    return [name for name in names if name.startswith("up_blocks.") and name.endswith("attn2")]


def map_size(positions: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a layer with so many positions; a UNet halves sizes, rounding up."""
    rows, columns = latent_size
    while rows * columns > positions:
        rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
    if rows * columns != positions:
        raise ValueError(f"{positions} positions do not come from a {latent_size[0]} x {latent_size[1]} latent")
    return rows, columns


def token_maps(captured: Sequence[Captured], size: tuple[int, int], *, tokens: int, views: int = 1,
               resize: str = "logits", dtype: torch.dtype = torch.float32) -> Float[Tensor, "B V N H W"]:
    """Return the last ``tokens`` tokens' maps, averaged over heads and layers; gradients reach queries and keys.

    If only some tokens' gradients are needed, `chosen_maps` of detached maps costs less.

    Args:
        captured: The captured layers.
        size: Rows and columns of a view's map.
        tokens: Number of tokens (N); they are the last columns of the T keys.
        views: Number of views that share a canvas, else 1; a canvas is split before it is resized, so that views do
            not blend at their borders.
        resize: "logits" is StableKeypoints' map: it resizes hidden states bicubically before the bias-free query
            projection and takes the softmax over tokens there; by linearity that is resizing the logits. "maps" takes
            the softmax at each layer's own resolution and resizes the layers' mean maps.
        dtype: Type of the maps and of their computation.
    """
    if not captured:
        raise NothingCaptured
    total: Tensor | None = None
    for layer in captured:  # summed one by one: at full size the maps of all tokens are gigabytes
        part = _one_layer(_spatial(layer, views, dtype), size, tokens, resize)  # (B*V N H W)
        total = part if total is None else total + part
    assert total is not None
    maps = rearrange(total / len(captured), "(b v) n h w -> b v n h w", v=views)  # (B*V N H W) -> (B V N H W)
    return chosen_maps(captured, maps, resize=resize)


def chosen_maps(captured: Sequence[Captured], maps: Float[Tensor, "B V N H W"],
                chosen: Int[Tensor, "B V J"] | None = None, *, resize: str = "logits"
                ) -> Float[Tensor, "B V J H W"]:
    """Return the ``chosen`` (or all) tokens' maps out of `token_maps`, with gradients to queries and keys.

    The gradient of no other token's map is computed. Every token's key gets a gradient, because the softmax's
    denominator sums over all tokens.
    """
    values = maps.detach()
    if chosen is not None:
        indices = chosen[..., None, None].expand(*chosen.shape, *maps.shape[-2:])  # (B V J) -> (B V J H W)
        values = values.gather(2, indices)  # (B V N H W) -> (B V J H W)
    layers = [_spatial(layer, maps.shape[1], maps.dtype) for layer in captured]
    states = [state for layer in layers for state in (layer.query, layer.key)]
    if not torch.is_grad_enabled() or not any(state.requires_grad for state in states):
        return values
    detached = [replace(layer, query=layer.query.detach(), key=layer.key.detach()) for layer in layers]
    live_maps: Tensor = _LiveMaps.apply(values, chosen, detached, maps.shape[2], resize, *states)  # type: ignore[no-untyped-call]
    return live_maps


class _LiveMaps(torch.autograd.Function):
    """Maps that are already computed, with a backward pass to the layers' queries and keys."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor | None, layers: Sequence[Layer], tokens: int, resize: str,
                *states: Tensor) -> Tensor:
        ctx.chosen, ctx.layers, ctx.tokens, ctx.resize = chosen, layers, tokens, resize
        return values.view_as(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        chosen = None if ctx.chosen is None else ctx.chosen.flatten(0, 1)  # (B V J) -> (B*V J)
        grad = grad.flatten(0, 1) / len(ctx.layers)  # (B V J H W) -> (B*V J H W)
        target = (grad.shape[-2], grad.shape[-1])
        grads: list[Tensor | None] = [None] * 5
        for layer in ctx.layers:
            size, maps_grad = target, grad
            if ctx.resize == "maps":  # first back through the resizing, to the layer's own resolution
                size = (layer.query.shape[2], layer.query.shape[3])
                native = mean_maps(layer, size, ctx.tokens)  # (B*V N h w)
                native = native if chosen is None else native.gather(1, chosen[..., None, None].expand(-1, -1, *size))
                with torch.enable_grad():
                    maps_grad, = torch.autograd.grad(_resized(native.requires_grad_(), target), native, grad)
            grads += gradients(layer, size, ctx.tokens, chosen, maps_grad)
        return tuple(grads)


def native_maps(layer: Captured, *, tokens: int, views: int = 1) -> Float[Tensor, "B V N h w"]:
    """Return one layer's maps at its own resolution, averaged over heads; they carry no gradient."""
    spatial = _spatial(layer, views, torch.float32)
    maps = mean_maps(spatial, (spatial.query.shape[2], spatial.query.shape[3]), tokens)
    return rearrange(maps, "(b v) n h w -> b v n h w", v=views)  # (B*V N h w) -> (B V N h w)


def _one_layer(layer: Layer, size: tuple[int, int], tokens: int, resize: str) -> Float[Tensor, "I N H W"]:
    if resize == "logits":
        return mean_maps(layer, size, tokens)
    return _resized(mean_maps(layer, (layer.query.shape[2], layer.query.shape[3]), tokens), size)


def _resized(maps: Float[Tensor, "I N h w"], size: tuple[int, int]) -> Float[Tensor, "I N H W"]:
    """Return maps at ``size``, clamped at 0: bicubic resizing overshoots, and a map is never negative."""
    return (maps if maps.shape[-2:] == size else resample(maps, size)).clamp_min(0)


def _spatial(layer: Captured, views: int, dtype: torch.dtype) -> Layer:
    """Return a layer with its canvas split into views: one image per view, with separate rows and columns."""
    rows, columns = layout(views)
    # (B A S d), S = 3h * 2w on a canvas -> (B*V A h w d); keys are repeated for each view.
    query = rearrange(layer.query, "b a (r h c w) d -> (b r c) a h w d", r=rows, c=columns, h=layer.size[0] // rows,
                      w=layer.size[1] // columns)
    key = repeat(layer.key, "b a t d -> (b v) a t d", v=views) if views > 1 else layer.key
    return Layer(query, key, layer.scale, layer.bias, dtype)
