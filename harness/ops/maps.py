"""Peaks of attention maps, and the divergence of a map from a Gaussian at its peak: pure functions.

Maps are (*batch H W), float and >= 0, in any number of leading axes; H and W may differ. ``sigma_px`` and ``radius_px``
are in map pixels.
"""

from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FLOOR = 1e-5  # added to Gaussians and maps of peak 1 before they are normalised, so that every logarithm is finite
DIVERGENCES = ("softmax", "sum")


def peaks_px(maps: Float[Tensor, "*batch H W"]) -> Int[Tensor, "*batch 2"]:
    """Return the (row, column) index of each map's largest value, the first of equal ones."""
    flat = maps.detach().flatten(-2)  # (*batch H W) -> (*batch H*W)
    if flat.device.type == "cpu" and flat.dtype == torch.float32:  # numpy is ten times as fast as torch here
        index = torch.as_tensor(flat.numpy().argmax(-1))
    else:
        index = flat.argmax(-1)
    return torch.stack([index // maps.shape[-1], index % maps.shape[-1]], -1)


def peaks(maps: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch 2"]:
    """Return (row, column) in [0, 1] of the centre of each map's largest pixel, the first of equals; no gradient.

    >>> maps = torch.zeros(1, 4, 8)
    >>> maps[0, 1, 2] = 1.0
    >>> peaks(maps)
    tensor([[0.3750, 0.3125]])
    """
    return (peaks_px(maps) + 0.5) / _sides(maps)


def several_peaks(maps: Float[Tensor, "*batch H W"], count: int) -> Float[Tensor, "count *batch 2"]:
    """Return the centres of each map's ``count`` highest pixels that lie apart, the highest first, as in `peaks`.

    After each peak the pixels within 0.05 H are set to 0, measured from a pixel's index to the peak's index + 0.5.
    Source: StableKeypoints, find_k_max_pixels, for images with several similar objects.
    """
    points, remaining = [], maps.detach()
    for _ in range(count):
        centre_px = peaks_px(remaining) + 0.5
        points.append(centre_px / _sides(maps))
        remaining = remaining * outside(centre_px, maps.shape[-2], maps.shape[-1], 0.05 * maps.shape[-2])
    return torch.stack(points)


def outside(centres_px: Float[Tensor, "*batch 2"], height: int, width: int,
            radius_px: float) -> Bool[Tensor, "*batch H W"]:
    """Return True for the pixels whose index (row, column) lies further than ``radius_px`` from a centre."""
    rows, columns = (
        torch.arange(n).to(centres_px) - centre[..., None]
        for n, centre in zip((height, width), centres_px.unbind(-1), strict=True)
    )
    return rows[..., :, None] ** 2 + columns[..., None, :] ** 2 > radius_px**2


def soft_peaks(maps: Float[Tensor, "*batch H W"], radius_px: float | None = None,
               temperature: float = 1.0) -> Float[Tensor, "*batch 2"]:
    """Return each map's centroid near its peak as (row, column) in [0, 1], differentiable in the map.

    The centroid of map^(1/temperature) over the pixels within ``radius_px`` of the largest one (over the whole map if
    None), with temperature in (0, 1]; as it falls the centroid approaches the peak. The window carries no gradient.
    An empty map gives its first pixel and a finite gradient. Temperature 1 is StableKeypoints' pixel_from_weighted_avg.
    """
    top = maps.detach().amax((-2, -1), keepdim=True)
    weights = (maps / torch.where(top > 0, top, 1.0)) ** (1 / temperature)
    peak_px = peaks_px(maps)  # (*batch 2)
    rows, columns = _offsets(maps, peak_px)  # (*batch H), (*batch W)
    if radius_px is not None:
        weights = weights * (rows[..., :, None] ** 2 + columns[..., None, :] ** 2 <= radius_px**2)
    total = weights.sum((-2, -1)).clamp_min(1.0)  # the peak's weight is 1: the limit acts on empty maps alone
    shift = [(weights.sum(-1) * rows).sum(-1) / total, (weights.sum(-2) * columns).sum(-1) / total]
    return (peak_px + 0.5 + torch.stack(shift, -1)) / _sides(maps)


def peak_share(maps: Float[Tensor, "*batch H W"], radius_px: float) -> Float[Tensor, "*batch"]:
    """Return the share of each map's mass within ``radius_px`` of its peak: in [0, 1], 0 for an empty map."""
    rows, columns = _offsets(maps, peaks_px(maps))
    near = rows[..., :, None] ** 2 + columns[..., None, :] ** 2 <= radius_px**2
    return (maps * near).sum((-2, -1)) / maps.sum((-2, -1)).clamp_min(torch.finfo(maps.dtype).tiny)


def gaussians(points_yx: Float[Tensor, "*batch 2"], height: int, width: int,
              sigma_px: float) -> Float[Tensor, "*batch H W"]:
    """Return Gaussians of peak 1, not normalised, at points in [0, 1]; the target of StableKeypoints.

    >>> gaussians(torch.tensor([0.5, 0.5]), 3, 3, 1.0)[1]
    tensor([0.6065, 1.0000, 0.6065])
    """
    rows, columns = (
        torch.exp(-((_centres(n, points_yx) - centre[..., None] * n) ** 2) / (2 * sigma_px**2))
        for n, centre in zip((height, width), points_yx.unbind(-1), strict=True)
    )
    return rows[..., :, None] * columns[..., None, :]  # (*batch H 1) * (*batch 1 W) -> (*batch H W)


def kl_to_peak(maps: Float[Tensor, "*batch H W"], sigma_px: float, divergence: str = "sum") -> Float[Tensor, "*batch"]:
    """Return KL(t || q) in nats, t the Gaussian at the map's own peak and q the map as a distribution.

    t is a Gaussian of peak 1, plus 1e-5, divided by its sum. The closed form sum t log t - sum t m + logsumexp m, m the
    logits of q, needs no target per map: the first term depends on the peak's place alone.

    Args:
        maps: Maps of at least 0.
        sigma_px: Spread of the Gaussian in map pixels.
        divergence: "softmax": q is softmax(map), as StableKeypoints ranks tokens. "sum": q is (map / peak + 1e-5)
            divided by its sum, which does not depend on the map's height. Another word raises ValueError.

    >>> blob = gaussians(torch.tensor([[0.5, 0.5]]), 9, 9, 1.5)
    >>> kl_to_peak(torch.cat([blob, torch.ones(1, 9, 9)]), 1.5) < 0.1
    tensor([ True, False])
    """
    logits = _logits(maps, divergence)
    peak_px = peaks_px(maps)  # (*batch 2)
    height, width = maps.shape[-2:]
    # sum t log t and the sum that normalises t, looked up by the peak's place: (*batch)
    entropy, total = (table.to(maps)[peak_px[..., 0], peak_px[..., 1]] for table in _targets(height, width, sigma_px))
    # sum t m: the Gaussian is a product of its rows and columns.
    rows, columns = (torch.exp(-(offset**2) / (2 * sigma_px**2)) for offset in _offsets(maps, peak_px))
    cross = ((logits @ columns[..., None])[..., 0] * rows).sum(-1) + FLOOR * logits.sum((-2, -1))
    return entropy - cross / total + logits.flatten(-2).logsumexp(-1)  # (*batch H W) -> (*batch)


def kl_to_peaks(maps: Float[Tensor, "*batch H W"], sigma_px: float, divergence: str = "sum",
                subjects: int = 1) -> Float[Tensor, "*batch"]:
    """Return `kl_to_peak` for several similar objects: t is the mean of Gaussians at the map's ``subjects`` peaks.

    >>> two = gaussians(torch.tensor([[0.3125, 0.3125], [0.8125, 0.8125]]), 40, 40, 1.0).sum(0)
    >>> kl_to_peaks(two, 1.0, subjects=2) < 0.1 < kl_to_peaks(two, 1.0, subjects=1)
    tensor(True)
    """
    if subjects == 1:
        return kl_to_peak(maps, sigma_px, divergence)
    height, width = maps.shape[-2:]
    target = gaussians(several_peaks(maps, subjects), height, width, sigma_px).mean(0) + FLOOR  # (*batch H W)
    target = target / target.sum((-2, -1), keepdim=True)
    logits = _logits(maps, divergence)
    return (target * (target.log() - logits)).sum((-2, -1)) + logits.flatten(-2).logsumexp(-1)


def entropy(maps: Float[Tensor, "*batch H W"], divergence: str = "sum") -> Float[Tensor, "*batch"]:
    """Return each map's entropy over space in nats; ``divergence`` makes it a distribution as in `kl_to_peak`.

    "softmax" is how StableKeypoints ranks by entropy; on maps in [0, 1] it lies just below log(H W) for every map.
    """
    logits = _logits(maps, divergence).flatten(-2)
    return logits.logsumexp(-1) - (logits.softmax(-1) * logits).sum(-1)


def mask_black(maps: Float[Tensor, "*batch N H W"],
               images: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch N H W"]:
    """Return the maps with 0 where the image, resized to the maps, is exactly black (StableKeypoints' masked data)."""
    flat = images.reshape(-1, *images.shape[-3:])  # (*batch 3 h w) -> (B 3 h w)
    small = torch.nn.functional.interpolate(flat, maps.shape[-2:], mode="bilinear", align_corners=False)
    lit = (small.mean(1) != 0).reshape(*images.shape[:-3], 1, *maps.shape[-2:])  # (B H W) -> (*batch 1 H W)
    return maps * lit


def _sides(maps: Tensor) -> Tensor:
    return torch.tensor(maps.shape[-2:], dtype=maps.dtype, device=maps.device)


def _centres(n: int, like: Tensor) -> Tensor:
    return torch.arange(n, dtype=like.dtype, device=like.device) + 0.5


def _offsets(maps: Tensor, peak_px: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's and each column's distance in pixels from a peak: (*batch H), (*batch W)."""
    row, column = (peak_px + 0.5).to(maps).unbind(-1)
    height, width = maps.shape[-2:]
    return _centres(height, maps) - row[..., None], _centres(width, maps) - column[..., None]


def _logits(maps: Tensor, divergence: str) -> Tensor:
    """Return the logits of the map's distribution over space."""
    if divergence == "softmax":
        return maps
    if divergence != "sum":
        raise ValueError(f"divergence {divergence!r}: expected one of {', '.join(DIVERGENCES)}")
    top = maps.amax((-2, -1), keepdim=True)
    return torch.log(maps / torch.where(top > 0, top, 1.0) + FLOOR)


@lru_cache(maxsize=16)
def _targets(height: int, width: int, sigma_px: float) -> tuple[Tensor, Tensor]:
    """Return two (H W) tables for a peak at every pixel: sum t log t, and the sum that normalises t.

    The target of a peak at (r, c) is an H x W window of one larger Gaussian, (2H-1 2W-1) with its peak in the middle.
    So both values are sums over windows of it. An integral image gives every window's sum by four look-ups.
    """
    rows, columns = (
        torch.exp(-(torch.arange(1.0 - n, n, dtype=torch.float64) ** 2) / (2 * sigma_px**2)) for n in (height, width)
    )
    target = rows[:, None] * columns + FLOOR  # (2H-1 2W-1), peak in the middle

    def windows(values: Tensor) -> Tensor:
        sums = torch.nn.functional.pad(values.cumsum(0).cumsum(1), (1, 0, 1, 0))  # (2H 2W), the integral image
        inside = sums[height:, width:] - sums[:height, width:] - sums[height:, :width] + sums[:height, :width]
        return inside.flip(0, 1)  # (H W); the first pixel's target is the last window

    total = windows(target)
    return windows(target * target.log()) / total - total.log(), total
