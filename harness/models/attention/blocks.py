"""Softmax maps and their gradient, block by block: the maps of all tokens and heads are never in memory together.

A layer's logits are resized, go through the softmax over tokens and are averaged over heads. The softmax of a pixel
needs that pixel alone, so images, heads and rows of pixels are processed in blocks that fit in the processor's cache.
The backward pass recomputes each block: dL/dz = P (G - sum over tokens of P G), G the maps' gradient, z the logits, P
their softmax. Axes: I images, A heads, N tokens with maps out of T keys, H W rows and columns of the maps, h w of the
layer, d channels of a head; i, a, r are a block's images, heads and rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

BLOCK_ELEMENTS = {"cpu": 2**19, "cuda": 2**26}  # logits of one block: a core's cache holds it, or it fills a GPU


@dataclass(frozen=True)
class Layer:
    """A layer's queries in space (I A h w d) and keys (I A T d) of I images; logits are q k * scale + bias."""

    query: Float[Tensor, "I A h w d"]
    key: Float[Tensor, "I A T d"]
    scale: float
    bias: Float[Tensor, " T"] | None
    dtype: torch.dtype


@torch.no_grad()
def mean_maps(layers: Sequence[Layer], size: tuple[int, int], tokens: int) -> Float[Tensor, "I N H W"]:
    """Return the last ``tokens`` columns of the softmax at ``size``, averaged over heads and layers; no gradient."""
    first = layers[0]
    maps = torch.empty(len(first.query), tokens, *size, dtype=first.dtype, device=first.query.device)  # (I N H W)
    for images in _images(layers, size):
        total = maps.new_zeros(len(maps[images]), *size, tokens)  # (i H W N)
        for layer in layers:
            share = 1 / (layer.query.shape[1] * len(layers))
            for block in _blocks(layer, size, images):
                for rows in block.rows:
                    p = block.probabilities(rows)[..., -tokens:]  # (i a r W N)
                    total[:, rows.to].add_(p.sum(1) if p.shape[1] > 1 else p[:, 0], alpha=share)
        maps[images] = total.movedim(-1, 1)  # (i H W N) -> (i N H W)
    return maps


@torch.no_grad()
def gradients(layer: Layer, size: tuple[int, int], tokens: int, chosen: Int[Tensor, "I J"] | None,
              maps_grad: Float[Tensor, "I J H W"]) -> tuple[Tensor, Tensor]:
    """Return the gradients of queries and keys, from that of the ``chosen`` (or all) tokens' mean maps."""
    heads, keys = layer.query.shape[1], layer.key.shape[2]
    columns = torch.arange(tokens, device=maps_grad.device).expand(len(maps_grad), -1) if chosen is None else chosen
    columns = columns + keys - tokens  # (I J)
    query_grad, key_grad = torch.empty_like(layer.query), torch.empty_like(layer.key)
    for images in _images([layer], size):
        head_grad = (maps_grad[images] / heads).movedim(1, -1).contiguous()  # (i J H W) -> (i H W J)
        for block in _blocks(layer, size, images):
            wide_grad = torch.zeros_like(block.wide)  # (i*a h W*T)
            for rows in block.rows:
                grad = _logits_grad(block.probabilities(rows), head_grad[:, rows.to], columns[images])
                block.add_rows(grad, rows, wide_grad)
            z_grad = wide_grad.unflatten(2, (size[1], keys))  # (i*a h W T)
            z_grad = z_grad if block.across is None else block.across.T @ z_grad  # -> (i*a h w T)
            z_grad = z_grad.flatten(1, 2).view(*block.key.shape[:2], -1, keys) * layer.scale  # -> (i a h*w T)
            query = (z_grad @ block.key).unflatten(2, layer.query.shape[2:4])  # (i a h*w d) -> (i a h w d)
            query_grad[images, block.heads] = query.to(query_grad)
            key_grad[images, block.heads] = (z_grad.transpose(-1, -2) @ block.query).to(key_grad)  # (i a T d)
    return query_grad, key_grad


def _logits_grad(p: Float[Tensor, "i a r W T"], grad: Float[Tensor, "i r W J"], columns: Int[Tensor, "i J"]
                 ) -> Float[Tensor, "i a r W T"]:
    """Return P (G - s) from P, which it overwrites, and G in the ``columns`` where it is not 0; s sums P G over tokens.

    It is -P s, to which P G is added in those columns.
    """
    places = columns[:, None, None, None].expand(*p.shape[:-1], -1)  # (i J) -> (i a r W J)
    weighted = p.gather(-1, places) * grad[:, None]  # (i a r W J) * (i 1 r W J)
    return p.mul_(-weighted.sum(-1, keepdim=True)).scatter_add_(-1, places, weighted)


def resample(values: Float[Tensor, "*batch h w"], size: tuple[int, int]) -> Float[Tensor, "*batch H W"]:
    """Resize bicubically as `torch.nn.functional.interpolate` does by default, by two small matrix products."""
    down, across = (_table(source, target, values.device, values.dtype)
                    for source, target in zip(values.shape[-2:], size, strict=True))
    return down @ values @ across.T  # (H h) (*batch h w) (w W) -> (*batch H W)


@cache
def bicubic(source: int, target: int) -> Float[Tensor, "target source"]:
    """Return the matrix that resizes one axis."""
    identity = torch.eye(source, dtype=torch.float64)[None, :, :, None]  # (1 h h 1): one channel for each pixel
    resized = F.interpolate(identity, size=(target, 1), mode="bicubic", align_corners=False)  # (1 h H 1)
    return resized[0, :, :, 0].T.contiguous()


@dataclass(frozen=True)
class _Rows:
    """Some rows of the maps (``to``), and the layer's rows that their resizing touches (``of``)."""

    to: slice
    of: slice


@dataclass(frozen=True)
class _Block:
    """The logits of some images and heads, resized along their columns (``wide``), and the rows of each step.

    ``down`` and ``across`` resize rows and columns; None if the size is the layer's own.
    """

    heads: slice
    rows: list[_Rows]
    query: Float[Tensor, "i a S d"]
    key: Float[Tensor, "i a T d"]
    wide: Float[Tensor, "P h Q"]
    down: Float[Tensor, "H h"] | None
    across: Float[Tensor, "W w"] | None

    def probabilities(self, rows: _Rows) -> Float[Tensor, "i a r W T"]:
        """Return the softmax over tokens in some rows of pixels."""
        logits = self.wide[:, rows.of]
        if self.down is not None:
            logits = torch.bmm(self._resize(rows), logits)  # (i*a r h') @ (i*a h' W*T) -> (i*a r W*T)
        images, heads, keys = self.key.shape[:3]
        return logits.view(images, heads, logits.shape[1], -1, keys).softmax(-1)

    def add_rows(self, grad: Float[Tensor, "i a r W T"], rows: _Rows, wide_grad: Float[Tensor, "P h Q"]) -> None:
        """Add the gradient of some rows' logits to that of ``wide``."""
        flat = grad.flatten(3).flatten(0, 1)  # (i a r W T) -> (i*a r W*T)
        if self.down is None:
            wide_grad[:, rows.of] += flat
        else:
            wide_grad[:, rows.of].baddbmm_(self._resize(rows).mT, flat)  # (i*a h' r) @ (i*a r W*T)

    def _resize(self, rows: _Rows) -> Float[Tensor, "P r _"]:
        assert self.down is not None
        return self.down[rows.to, rows.of].expand(len(self.wide), -1, -1)


def _images(layers: Sequence[Layer], size: tuple[int, int]) -> Iterator[slice]:
    """Yield images whose logits of all heads fit in a block, or one by one."""
    most = max(layer.query.shape[1] * layer.key.shape[2] for layer in layers) * size[0] * size[1]
    return _slices(len(layers[0].query), _elements(layers[0]) // most)


def _blocks(layer: Layer, size: tuple[int, int], images: slice) -> Iterator[_Block]:
    """Yield the logits of some images in blocks of at most BLOCK_ELEMENTS."""
    height, width = layer.query.shape[2:4]
    down, across = (None if source == target else _table(source, target, layer.query.device, layer.dtype)
                    for source, target in ((height, size[0]), (width, size[1])))
    row = size[1] * layer.key.shape[2]
    rows = _rows(height, size[0], max(1, _elements(layer) // row))
    for heads in _slices(layer.query.shape[1], _elements(layer) // (size[0] * row)):
        query = layer.query[images, heads].flatten(2, 3).to(layer.dtype)  # (i a h w d) -> (i a h*w d)
        key = layer.key[images, heads].to(layer.dtype)
        logits = query @ key.transpose(-1, -2) * layer.scale  # (i a h*w T)
        if layer.bias is not None:
            logits = logits + layer.bias.to(layer.dtype)
        wide = logits.flatten(0, 1).unflatten(1, (height, width))  # (i a h*w T) -> (i*a h w T)
        wide = wide if across is None else across @ wide  # (W w) (i*a h w T) -> (i*a h W T)
        yield _Block(heads, rows, query, key, wide.flatten(2), down, across)


@cache
def _rows(source: int, target: int, step: int) -> list[_Rows]:
    """Return the target's rows in slices of ``step``, each with the source rows whose weights are not 0."""
    weights = torch.eye(target) if source == target else bicubic(source, target)
    slices = []
    for rows in _slices(target, step):
        touched = weights[rows].any(0).nonzero()
        slices.append(_Rows(rows, slice(int(touched[0]), int(touched[-1]) + 1)))
    return slices


@cache
def _table(source: int, target: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "target source"]:
    """Return `bicubic` on a device, copied there once."""
    return bicubic(source, target).to(device, dtype)


def _elements(layer: Layer) -> int:
    return BLOCK_ELEMENTS.get(layer.query.device.type, BLOCK_ELEMENTS["cpu"])


def _slices(total: int, step: int) -> Iterator[slice]:
    """Cut a length into slices of ``step``, at least 1."""
    return (slice(start, min(total, start + max(1, step))) for start in range(0, total, max(1, step)))
