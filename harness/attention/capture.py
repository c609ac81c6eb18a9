"""Capture tokens' attention maps from a UNet's cross-attention layers, with gradients, at the least cost.

Only queries and keys are kept; every layer's own attention stays fused. Maps come from them afterwards, layer by layer
and head block by head block, so that no full-resolution map of every token and every head is ever kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from harness.attention.hooks import Heads, Pass, attend, heads
from harness.attention.views import layout

BLOCK_ELEMENTS = 2**25  # logits of one block, about 128 MB in float32; larger ones are computed again in backward


class Enough(Exception):
    """The last captured layer has been reached: the rest of the UNet is not needed."""


@dataclass(frozen=True)
class Captured:
    """One layer's queries over space and keys over tokens; ``size`` is its map's rows and columns on the canvas.

    ``bias`` was added to the logits, if any.
    """

    layer: str
    query: Heads
    key: Float[Tensor, "B A T d"]
    scale: float
    size: tuple[int, int]
    bias: Float[Tensor, " T"] | None = None

    def probabilities(self) -> Float[Tensor, "B A S T"]:
        """Return the layer's own attention probabilities, at its own resolution."""
        logits = self.query @ self.key.transpose(-1, -2) * self.scale
        return (logits if self.bias is None else logits + self.bias).softmax(-1)


class CapturePass(Pass):
    """Keeps queries and keys of chosen layers and stops the UNet after the last of them, unless ``whole``.

    With ``check`` it also measures how far explicit probabilities are from the layer's real output: ``residual`` is the
    largest |probabilities @ V - output|, ``largest`` the largest |output|, ``row_residual`` the largest |row sum - 1|.
    """

    def __init__(self, layers: Sequence[str], latent_size: tuple[int, int], *, whole: bool = False,
                 check: bool = False) -> None:
        self.layers, self.latent_size, self.whole, self.check = list(layers), latent_size, whole, check
        self.captured: list[Captured] = []
        self.residual = self.row_residual = self.largest = 0.0

    def cross(self, layer: str, attention: Any, query: Heads, context: Tensor) -> Tensor:
        """Keep the layer's queries and keys, then attend as usual."""
        if layer in self.layers:
            key = heads(attention.to_k(context), attention.heads)
            size = map_size(query.shape[2], self.latent_size)
            self.captured.append(Captured(layer, query, key, attention.scale, size))
            if len(self.captured) == len(self.layers) and not (self.whole or self.check):
                raise Enough
        output = attend(attention, query, context)
        if self.check and layer in self.layers:
            self._compare(attention, context, output)
            if len(self.captured) == len(self.layers) and not self.whole:
                raise Enough
        return output

    def _compare(self, attention: Any, context: Tensor, output: Tensor) -> None:
        probabilities = self.captured[-1].probabilities()
        value = heads(attention.to_v(context), attention.heads)
        restated = rearrange(probabilities @ value, "b a s d -> b s (a d)")
        self.residual = worst(self.residual, (restated - output).abs().max().item())
        self.largest = worst(self.largest, output.abs().max().item())
        self.row_residual = worst(self.row_residual, (probabilities.sum(-1) - 1).abs().max().item())


def worst(*values: float) -> float:
    """Return the largest value, NaN if any is: Python's max may drop it."""
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
    """Return the last ``tokens`` tokens' maps, averaged over heads and layers, at ``size`` (rows, columns) per view.

    ``resize="logits"`` is StableKeypoints' map: it resizes hidden states bicubically before the bias-free query
    projection and takes the softmax over tokens there; by linearity that is resizing the logits. ``resize="maps"``
    takes the softmax at each layer's own resolution and resizes the layers' mean maps. ``views`` is the number of views
    that share a canvas: a canvas is split before it is resized, so that no view bleeds into its neighbour.
    """
    total: Tensor | None = None
    for layer in captured:  # summed as they come: at full size the maps of all tokens are gigabytes
        part = _layer_maps(layer, size, views, tokens, resize, dtype)
        total = part if total is None else total + part
    assert total is not None
    return total / len(captured)


def native_maps(layer: Captured, *, tokens: int, views: int = 1) -> Float[Tensor, "B V N h w"]:
    """Return one layer's maps at its own resolution, averaged over heads."""
    rows, columns = layout(views)
    return _layer_maps(layer, (layer.size[0] // rows, layer.size[1] // columns), views, tokens, "maps", torch.float32)


def _layer_maps(layer: Captured, size: tuple[int, int], views: int, tokens: int, resize: str,
                dtype: torch.dtype) -> Tensor:
    batch, head_count, _, _ = layer.query.shape
    at_softmax = size[0] * size[1] * views if resize == "logits" else layer.query.shape[2]
    per_head = batch * at_softmax * layer.key.shape[2]
    step = max(1, BLOCK_ELEMENTS // per_head)
    total: Tensor | None = None
    for start in range(0, head_count, step):
        block = (layer.query[:, start:start + step], layer.key[:, start:start + step], layer.bias, layer.scale,
                 layer.size, size, views, tokens, resize, dtype)
        again = step < head_count and torch.is_grad_enabled()
        part: Tensor = checkpoint(_head_maps, *block, use_reentrant=False) if again else _head_maps(*block)
        total = part if total is None else total + part
    assert total is not None
    maps = total / head_count
    if resize == "maps":
        flat = maps.flatten(0, 1)
        resized = resample(flat, size) if flat.shape[-2:] != size else flat
        # Bicubic resizing overshoots below zero; a map is never negative.
        maps = resized.clamp_min(0).reshape(*maps.shape[:3], *size)
    return maps


def _head_maps(query: Heads, key: Float[Tensor, "B A T d"], bias: Tensor | None, scale: float,
               native: tuple[int, int], size: tuple[int, int], views: int, tokens: int, resize: str, dtype: torch.dtype
               ) -> Float[Tensor, "B V N h w"]:
    rows, columns = layout(views)
    logits = (query.to(dtype) @ key.to(dtype).transpose(-1, -2)) * scale
    if bias is not None:
        logits = logits + bias.to(dtype)
    logits = rearrange(logits, "b a (r h c w) n -> b (r c) a n h w", r=rows, c=columns, h=native[0] // rows)
    if resize == "logits" and logits.shape[-2:] != size:
        logits = resample(logits, size)
    return logits.softmax(3)[:, :, :, -tokens:].sum(2)


def resample(values: Float[Tensor, "*batch h w"], size: tuple[int, int]) -> Float[Tensor, "*batch H W"]:
    """Resize bicubically as `torch.nn.functional.interpolate` does by default, by two small matrix products."""
    down = _bicubic(values.shape[-2], size[0]).to(values)
    across = _bicubic(values.shape[-1], size[1]).to(values)
    return down @ values @ across.T


@cache
def _bicubic(source: int, target: int) -> Float[Tensor, "target source"]:
    identity = torch.eye(source, dtype=torch.float64)[None, :, :, None]
    resized = F.interpolate(identity, size=(target, 1), mode="bicubic", align_corners=False)
    return resized[0, :, :, 0].T.contiguous()
