"""Softmax maps and their gradient, block by block: the maps of all tokens and heads are never in memory together.

A layer's logits are resized, go through the softmax over tokens and are averaged over heads. The softmax of a pixel
needs that pixel alone, so images, heads and rows of pixels are processed in blocks that fit in the processor's cache.
The backward pass recomputes each block: dL/dz = P (G - sum over tokens of P G), G the maps' gradient, z the logits, P
their softmax. Axes: I images, A heads, N tokens with maps out of T keys, H W rows and columns of the maps, h w of the
layer, d channels of a head; i, a, r are a block's images, heads and rows.
"""

from collections.abc import Iterator
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
def mean_maps(layer: Layer, size: tuple[int, int], tokens: int) -> Float[Tensor, "I N H W"]:
    """Return the last ``tokens`` columns of the softmax at ``size``, averaged over heads; carries no gradient."""
    images, heads = layer.query.shape[:2]
    maps = torch.empty(images, tokens, *size, dtype=layer.dtype, device=layer.query.device)  # (I N H W)
    total = maps.new_empty(0)
    for block in _blocks(layer, size):
        if block.heads.start == 0:
            total = maps.new_zeros(len(block.query), *size, tokens)  # (i H W N)
        for rows in block.rows:
            total[:, rows] += block.probabilities(rows)[..., -tokens:].sum(1)  # (i a r W T) -> (i r W N)
        if block.heads.stop == heads:
            maps[block.images] = total.div_(heads).movedim(-1, 1)  # (i H W N) -> (i N H W)
    return maps


@torch.no_grad()
def gradients(layer: Layer, size: tuple[int, int], tokens: int, chosen: Int[Tensor, "I J"] | None,
              maps_grad: Float[Tensor, "I J H W"]) -> tuple[Tensor, Tensor]:
    """Return the gradients of queries and keys, from that of the ``chosen`` (or all) tokens' mean maps."""
    heads, columns = layer.query.shape[1], layer.key.shape[2]
    query_grad, key_grad = torch.empty_like(layer.query), torch.empty_like(layer.key)
    for block in _blocks(layer, size):
        wide_grad = torch.zeros_like(block.wide)  # (i a h W T)
        for rows in block.rows:
            p = block.probabilities(rows)  # (i a r W T)
            head_grad = maps_grad[block.images, :, rows].movedim(1, -1) / heads  # (i J r W) -> (i r W J)
            g = _scatter(head_grad, None if chosen is None else chosen[block.images] + columns - tokens, columns)
            weighted = p * g[:, None]  # (i a r W T) * (i 1 r W T)
            block.add_rows(weighted.addcmul_(p, weighted.sum(-1, keepdim=True), value=-1), rows, wide_grad)
        z_grad = wide_grad if block.across is None else block.across.T @ wide_grad  # (i a h W T) -> (i a h w T)
        z_grad = z_grad.flatten(2, 3) * layer.scale  # (i a h w T) -> (i a h*w T)
        query = (z_grad @ block.key).unflatten(2, layer.query.shape[2:4])  # (i a h*w d) -> (i a h w d)
        query_grad[block.images, block.heads] = query.to(query_grad)
        key_grad[block.images, block.heads] = (z_grad.transpose(-1, -2) @ block.query).to(key_grad)  # (i a T d)
    return query_grad, key_grad


def resample(values: Float[Tensor, "*batch h w"], size: tuple[int, int]) -> Float[Tensor, "*batch H W"]:
    """Resize bicubically as `torch.nn.functional.interpolate` does by default, by two small matrix products."""
    down, across = bicubic(values.shape[-2], size[0]).to(values), bicubic(values.shape[-1], size[1]).to(values)
    return down @ values @ across.T  # (H h) (*batch h w) (w W) -> (*batch H W)


@cache
def bicubic(source: int, target: int) -> Float[Tensor, "target source"]:
    """Return the matrix that resizes one axis."""
    identity = torch.eye(source, dtype=torch.float64)[None, :, :, None]  # (1 h h 1): one channel for each pixel
    resized = F.interpolate(identity, size=(target, 1), mode="bicubic", align_corners=False)  # (1 h H 1)
    return resized[0, :, :, 0].T.contiguous()


@dataclass(frozen=True)
class _Block:
    """The logits of some images and heads, resized along their columns (``wide``), and the rows of each step.

    ``down`` and ``across`` resize rows and columns; None if the size is the layer's own.
    """

    images: slice
    heads: slice
    rows: list[slice]
    query: Float[Tensor, "i a S d"]
    key: Float[Tensor, "i a T d"]
    wide: Float[Tensor, "i a h W T"]
    down: Float[Tensor, "H h"] | None
    across: Float[Tensor, "W w"] | None

    def probabilities(self, rows: slice) -> Float[Tensor, "i a r W T"]:
        """Return the softmax over tokens in some rows of pixels."""
        if self.down is None:
            return self.wide[:, :, rows].softmax(-1)
        logits: Tensor = self.down[rows] @ self.wide.flatten(3)  # (r h) (i a h W*T) -> (i a r W*T)
        logits = logits.unflatten(3, self.wide.shape[3:])  # -> (i a r W T)
        return logits.softmax(-1)

    def add_rows(self, grad: Float[Tensor, "i a r W T"], rows: slice, wide_grad: Float[Tensor, "i a h W T"]) -> None:
        """Add the gradient of some rows' logits to that of ``wide``."""
        if self.down is None:
            wide_grad[:, :, rows] += grad
        else:
            wide_grad += (self.down[rows].T @ grad.flatten(3)).view_as(wide_grad)  # (h r) (i a r W*T) -> (i a h W T)


def _blocks(layer: Layer, size: tuple[int, int]) -> Iterator[_Block]:
    """Yield the layer's logits in blocks of at most BLOCK_ELEMENTS."""
    images, heads, height, width, _ = layer.query.shape
    down, across = (None if source == target else bicubic(source, target).to(layer.query.device, layer.dtype)
                    for source, target in ((height, size[0]), (width, size[1])))
    row = size[1] * layer.key.shape[2]
    most = BLOCK_ELEMENTS.get(layer.query.device.type, BLOCK_ELEMENTS["cpu"])
    rows = list(_slices(size[0], most // row))
    for image in _slices(images, most // (heads * size[0] * row)):
        for head in _slices(heads, most // (size[0] * row)):
            query = layer.query[image, head].flatten(2, 3).to(layer.dtype)  # (i a h w d) -> (i a h*w d)
            key = layer.key[image, head].to(layer.dtype)
            logits = query @ key.transpose(-1, -2) * layer.scale  # (i a h*w T)
            if layer.bias is not None:
                logits = logits + layer.bias.to(layer.dtype)
            wide = logits.unflatten(2, (height, width))  # (i a h*w T) -> (i a h w T)
            wide = wide if across is None else across @ wide  # (W w) (i a h w T) -> (i a h W T)
            yield _Block(image, head, rows, query, key, wide, down, across)


def _slices(total: int, step: int) -> Iterator[slice]:
    """Cut a length into slices of ``step``, at least 1."""
    return (slice(start, min(total, start + max(1, step))) for start in range(0, total, max(1, step)))


def _scatter(grad: Float[Tensor, "i r W J"], columns: Int[Tensor, "i J"] | None, count: int
             ) -> Float[Tensor, "i r W T"]:
    """Return each token's gradient in its column of ``count``; without ``columns`` they are the last ones."""
    if columns is None:
        return F.pad(grad, (count - grad.shape[-1], 0))  # (i r W J) -> (i r W T)
    scattered = grad.new_zeros(*grad.shape[:-1], count)
    return scattered.scatter_add_(-1, columns[:, None, None].expand_as(grad), grad)  # (i J) -> (i r W J)
