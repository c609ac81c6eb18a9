"""Furthest point sampling, shared by the selections that choose tokens far apart."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.ops.maps import peaks_px


def distances(maps: Float[Tensor, "*batch N H W"]) -> Float[Tensor, "*batch N N"]:
    """Return the distances between the maps' peaks in map pixels; equal distances are equal to the last bit."""
    peaks = peaks_px(maps)  # (*batch N 2)
    return (peaks[..., :, None, :] - peaks[..., None, :, :]).square().sum(-1).to(maps.dtype).sqrt()


def spread_out(ranking: Int[Tensor, "*batch N"], apart: Float[Tensor, "*batch N N"], *, candidates: int,
               keypoints: int) -> Int[Tensor, "*batch K"]:
    """Return min(keypoints, N) token indices: the ``candidates`` best-ranked, sampled so that they lie far apart.

    ``apart`` holds the distances between tokens. With fewer candidates than keypoints all of them come first, then
    the next best-ranked tokens.
    """
    best = ranking[..., :candidates]
    rows = apart.gather(-2, best[..., :, None].expand(*best.shape, apart.shape[-1]))  # (*batch N N) -> (*batch C N)
    between = rows.gather(-1, best[..., None, :].expand(*best.shape, best.shape[-1]))  # (*batch C N) -> (*batch C C)
    chosen = furthest(between, min(keypoints, best.shape[-1]))
    return torch.cat([best.gather(-1, chosen), ranking[..., best.shape[-1]:keypoints]], -1)


def furthest(apart: Float[Tensor, "*batch C C"], count: int) -> Int[Tensor, "*batch count"]:
    """Return ``count`` of C points: the furthest pair, then the point furthest from those chosen; of equals the first.

    A count of 1 gives the first point. Source: StableKeypoints, furthest_point_sampling.
    """
    size = apart.shape[-1]
    if count == 1:
        return torch.zeros(*apart.shape[:-2], 1, dtype=torch.long, device=apart.device)
    upper = torch.ones(size, size, dtype=torch.bool, device=apart.device).triu(1)
    pair = torch.where(upper, apart, -1.0).flatten(-2).argmax(-1, keepdim=True)  # (*batch C C) -> (*batch 1)
    chosen = [pair // size, pair % size]
    nearest = torch.minimum(_row(apart, chosen[0]), _row(apart, chosen[1]))
    nearest = nearest.scatter(-1, torch.cat(chosen, -1), -1.0)  # below every distance: never chosen again
    while len(chosen) < count:
        chosen.append(nearest.argmax(-1, keepdim=True))
        nearest = torch.minimum(nearest, _row(apart, chosen[-1])).scatter(-1, chosen[-1], -1.0)
    return torch.cat(chosen, -1)


def _row(apart: Tensor, index: Tensor) -> Tensor:
    row = index[..., None].expand(*index.shape, apart.shape[-1])  # (*batch 1) -> (*batch 1 C)
    return apart.gather(-2, row)[..., 0, :]  # (*batch C C) -> (*batch C)
