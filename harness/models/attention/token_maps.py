"""Token maps from captured queries and keys, computed in blocks, with gradients for chosen tokens alone."""

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
from harness.models.attention.capture import Captured, NothingCaptured


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
    layers = [_spatial(layer, views, dtype) for layer in captured]
    if resize == "logits":
        maps = mean_maps(layers, size, tokens)  # (B*V N H W)
    else:
        maps = _resized(_native(layers[0], tokens), size)
        for layer in layers[1:]:  # summed one by one: at full size the maps of all tokens are gigabytes
            maps += _resized(_native(layer, tokens), size)
        maps /= len(layers)
    maps = rearrange(maps, "(b v) n h w -> b v n h w", v=views)  # (B*V N H W) -> (B V N H W)
    return chosen_maps(captured, maps, resize=resize)[0]


def chosen_maps(captured: Sequence[Captured], maps: Float[Tensor, "B V N H W"], *chosen: Int[Tensor, "B V _"],
                resize: str = "logits") -> tuple[Float[Tensor, "B V _ H W"], ...]:
    """Return the maps of each ``chosen`` set of tokens (or all) out of `token_maps`, with gradients to the layers.

    The gradient of no other token's map is computed, nor that of a set that the loss does not use. Every token's key
    gets a gradient, because the softmax's denominator sums over all tokens.
    """
    values = [maps.detach()]
    if chosen:
        values = [maps.detach().gather(2, some[..., None, None].expand(*some.shape, *maps.shape[-2:]))
                  for some in chosen]  # (B V N H W) -> (B V J H W)
    layers = [_spatial(layer, maps.shape[1], maps.dtype) for layer in captured]
    states = [state for layer in layers for state in (layer.query, layer.key)]
    if not torch.is_grad_enabled() or not any(state.requires_grad for state in states):
        return tuple(values)
    detached = [replace(layer, query=layer.query.detach(), key=layer.key.detach()) for layer in layers]
    task = _Task(detached, maps.shape[2], chosen, resize)
    live_maps: tuple[Tensor, ...] = _LiveMaps.apply(task, len(values), *values, *states)  # type: ignore[no-untyped-call]
    return live_maps


@dataclass(frozen=True)
class _Task:
    """What `_LiveMaps` computes gradients of: the layers, their number of tokens, and each output's tokens."""

    layers: Sequence[Layer]
    tokens: int
    chosen: tuple[Int[Tensor, "B V _"], ...]
    resize: str


class _LiveMaps(torch.autograd.Function):
    """Maps that are already computed, with a backward pass to the layers' queries and keys."""

    @staticmethod
    def forward(ctx: Any, task: _Task, outputs: int, *values_and_states: Tensor) -> tuple[Tensor, ...]:
        ctx.task, ctx.outputs = task, outputs
        ctx.set_materialize_grads(False)  # None for an output that no loss uses
        return tuple(values.view_as(values) for values in values_and_states[:outputs])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *output_grads: Tensor | None) -> tuple[Tensor | None, ...]:
        task, used = ctx.task, [place for place, grad in enumerate(output_grads) if grad is not None]
        grad = torch.cat([grad for grad in output_grads if grad is not None], 2).flatten(0, 1)  # (B V J H W)
        grad = grad / len(task.layers)  # (B*V J H W)
        chosen = torch.cat([task.chosen[place] for place in used], 2).flatten(0, 1) if task.chosen else None  # (B*V J)
        target = (grad.shape[-2], grad.shape[-1])
        grads: list[Tensor | None] = [None] * (2 + ctx.outputs)
        for layer in task.layers:
            size, maps_grad = target, grad
            if task.resize == "maps":  # first back through the resizing, to the layer's own resolution
                native = _native(layer, task.tokens)  # (B*V N h w)
                size = (native.shape[-2], native.shape[-1])
                native = native if chosen is None else native.gather(1, chosen[..., None, None].expand(-1, -1, *size))
                with torch.enable_grad():
                    maps_grad, = torch.autograd.grad(_resized(native.requires_grad_(), target), native, grad)
            grads += gradients(layer, size, task.tokens, chosen, maps_grad)
        return tuple(grads)


def native_maps(layer: Captured, *, tokens: int, views: int = 1) -> Float[Tensor, "B V N h w"]:
    """Return one layer's maps at its own resolution, averaged over heads; they carry no gradient."""
    maps = _native(_spatial(layer, views, torch.float32), tokens)
    return rearrange(maps, "(b v) n h w -> b v n h w", v=views)  # (B*V N h w) -> (B V N h w)


def _native(layer: Layer, tokens: int) -> Float[Tensor, "I N h w"]:
    return mean_maps([layer], (layer.query.shape[2], layer.query.shape[3]), tokens)


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
