"""Softmax maps and their gradient, block by block: no map of every token and every head is ever held.

A layer's logits are resized, go through the softmax over tokens and are averaged over heads. The softmax of a pixel
needs that pixel alone, so images, heads and rows of pixels can be taken in blocks that stay in the processor's cache.
The way back computes each block again: dL/dz = P (G - sum over tokens of P G), G the maps' gradient and z the logits.
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
    maps = torch.empty(images, tokens, *size, dtype=layer.dtype, device=layer.query.device)
    total = maps.new_empty(0)
    for block in _blocks(layer, size):
        if block.heads.start == 0:
            total = maps.new_zeros(len(block.query), *size, tokens)
        for rows in block.rows:
            total[:, rows] += block.probabilities(rows)[..., -tokens:].sum(1)
        if block.heads.stop == heads:
            maps[block.images] = total.div_(heads).movedim(-1, 1)
    return maps


@torch.no_grad()
def gradients(layer: Layer, size: tuple[int, int], tokens: int, chosen: Int[Tensor, "I J"] | None,
              wanted: Float[Tensor, "I J H W"]) -> tuple[Tensor, Tensor]:
    """Return the gradients of queries and keys, given that of the ``chosen`` (or all) tokens' mean maps."""
    heads, columns = layer.query.shape[1], layer.key.shape[2]
    query_grad, key_grad = torch.empty_like(layer.query), torch.empty_like(layer.key)
    for block in _blocks(layer, size):
        wide = torch.zeros_like(block.wide)
        for rows in block.rows:
            p = block.probabilities(rows)
            given = wanted[block.images, :, rows].movedim(1, -1) / heads  # (i r W J)
            g = _spread(given, None if chosen is None else chosen[block.images] + columns - tokens, columns)
            weighted = p * g[:, None]
            block.put_back(weighted.addcmul_(p, weighted.sum(-1, keepdim=True), value=-1), rows, wide)
        narrow = wide if block.across is None else block.across.T @ wide
        narrow = narrow.flatten(2, 3) * layer.scale
        query_grad[block.images, block.heads] = (narrow @ block.key).unflatten(2, layer.query.shape[2:4]).to(query_grad)
        key_grad[block.images, block.heads] = (narrow.transpose(-1, -2) @ block.query).to(key_grad)
    return query_grad, key_grad


def resample(values: Float[Tensor, "*batch h w"], size: tuple[int, int]) -> Float[Tensor, "*batch H W"]:
    """Resize bicubically as `torch.nn.functional.interpolate` does by default, by two small matrix products."""
    down, across = bicubic(values.shape[-2], size[0]).to(values), bicubic(values.shape[-1], size[1]).to(values)
    return down @ values @ across.T


@cache
def bicubic(source: int, target: int) -> Float[Tensor, "target source"]:
    """Return the matrix that resizes one axis."""
    identity = torch.eye(source, dtype=torch.float64)[None, :, :, None]
    resized = F.interpolate(identity, size=(target, 1), mode="bicubic", align_corners=False)
    return resized[0, :, :, 0].T.contiguous()


@dataclass(frozen=True)
class _Block:
    """Some images' and heads' logits, resized along their columns, and the rows to take at once.

    ``down`` and ``across`` resize rows and columns; None where the size is the layer's own.
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
        logits: Tensor = (self.down[rows] @ self.wide.flatten(3)).unflatten(3, self.wide.shape[3:])
        return logits.softmax(-1)

    def put_back(self, towards: Float[Tensor, "i a r W T"], rows: slice, wide: Float[Tensor, "i a h W T"]) -> None:
        """Add the gradient of some rows' logits to that of ``wide``."""
        if self.down is None:
            wide[:, :, rows] += towards
        else:
            wide += (self.down[rows].T @ towards.flatten(3)).view_as(wide)


def _blocks(layer: Layer, size: tuple[int, int]) -> Iterator[_Block]:
    images, heads, height, width, _ = layer.query.shape
    down, across = (None if source == target else bicubic(source, target).to(layer.query.device, layer.dtype)
                    for source, target in ((height, size[0]), (width, size[1])))
    row = size[1] * layer.key.shape[2]
    most = BLOCK_ELEMENTS.get(layer.query.device.type, BLOCK_ELEMENTS["cpu"])
    rows = list(_slices(size[0], most // row))
    for image in _slices(images, most // (heads * size[0] * row)):
        for head in _slices(heads, most // (size[0] * row)):
            query = layer.query[image, head].flatten(2, 3).to(layer.dtype)
            key = layer.key[image, head].to(layer.dtype)
            logits = query @ key.transpose(-1, -2) * layer.scale
            if layer.bias is not None:
                logits = logits + layer.bias.to(layer.dtype)
            wide = logits.unflatten(2, (height, width))
            yield _Block(image, head, rows, query, key, wide if across is None else across @ wide, down, across)


def _slices(total: int, step: int) -> Iterator[slice]:
    """Cut a length in slices of ``step``, at least 1."""
    return (slice(start, min(total, start + max(1, step))) for start in range(0, total, max(1, step)))


def _spread(given: Float[Tensor, "i r W J"], columns: Int[Tensor, "i J"] | None, count: int
            ) -> Float[Tensor, "i r W T"]:
    """Return each token's gradient in its column of ``count``; without ``columns`` they are the last ones."""
    if columns is None:
        return F.pad(given, (count - given.shape[-1], 0))
    spread = given.new_zeros(*given.shape[:-1], count)
    return spread.scatter_add_(-1, columns[:, None, None].expand_as(given), given)
