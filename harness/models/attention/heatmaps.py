"""Heat maps of text tokens, as published tools average attention over layers, heads and steps.

Optimisation and scores use `token_maps`; these are for pictures and for comparison with other tools. A grid
holds one layer's probabilities for one image: (A heads, T tokens, rows, columns).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from harness.models.attention.capture import Captured

Grid = Float[Tensor, "A T _ _"]
Heat = Float[Tensor, "T H W"]


def grid(layer: Captured, image: int = -1) -> Grid:
    """Return a captured layer's probabilities in space, by default of the batch's last image: the conditional half."""
    return rearrange(layer.probabilities()[image], "a (h w) t -> a t h w", h=layer.size[0])  # (A S T) -> (A T h w)


def resized(values: Float[Tensor, "*batch h w"], size: tuple[int, int], mode: str = "bilinear"
            ) -> Float[Tensor, "*batch H W"]:
    """Return the maps at ``size`` (rows, columns), pixel centres aligned."""
    flat = values.reshape(1, -1, *values.shape[-2:])  # (*batch h w) -> (1 B h w)
    return F.interpolate(flat, size=size, mode=mode, align_corners=False).reshape(*values.shape[:-2], *size)


def stablekeypoints(layers: Sequence[Grid], side: int | None = None, *, literal: bool = False) -> Heat:
    """Return the mean over layers and heads of bilinearly resized maps; ``side`` None leaves their size.

    ``literal`` keeps the reference's error: it compares the root of the number of tokens, not of positions, with
    ``side``, and so does not resize a layer of side^2 tokens. Source: StableKeypoints, collect_maps.
    """
    parts = []
    for layer in layers:
        keeps_size = side is None or (literal and layer.shape[1] == side**2)
        parts.append(layer if keeps_size or side is None else resized(layer, (side, side)))
    return torch.cat(parts).mean(0)  # (L*A T H W) -> (T H W)


def attention_map_diffusers(steps: Sequence[Sequence[Grid]], *, legacy: bool = False) -> Heat:
    """Return the mean over steps and layers of maps averaged over heads, at the finest layer's size.

    ``legacy`` sums heads instead, at the first layer's size. Source: the package attention-map-diffusers 1.0,
    AttentionMaps and its save_attention_maps.
    """
    layers = [layer for step in steps for layer in step]
    rows, columns = (layers[0] if legacy else max(layers, key=lambda layer: layer[0, 0].numel())).shape[-2:]
    heads = [layer.sum(0) if legacy else layer.mean(0) for layer in layers]  # (A T h w) -> (T h w)
    return torch.stack([resized(layer, (rows, columns)) for layer in heads]).mean(0)


def daam(steps: Sequence[Sequence[Grid]], side: int = 64) -> Heat:
    """Return the mean over layers and heads of maps summed over steps, resized bicubically, never below 0.

    Layers ``side`` / 8 wide are left out, as are those whose factor is no power of two up to 64. Source: DAAM (Tang et
    al., ACL 2023, arXiv 2210.04885), compute_global_heat_map; it captures the down and up path, not the middle.
    """
    summed = [torch.stack(layer).sum(0) for layer in zip(*steps, strict=True)]
    kept = [layer for layer in summed if daam_factor(layer, side) in (0, 1, 2, 4, 16, 32, 64)]
    return torch.cat([resized(layer, (side, side), "bicubic").clamp_min(0) for layer in kept]).mean(0)


def daam_factor(layer: Grid, side: int = 64) -> int:
    """Return the factor by which a layer's map is narrower than ``side``, as DAAM computes it."""
    return int(math.sqrt(side**2 // layer[0, 0].numel()))
