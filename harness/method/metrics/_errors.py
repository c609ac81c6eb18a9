"""Errors of points, and the share of them within a limit: the basis of every keypoint score."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ALPHAS = (0.05, 0.1, 0.2)


def errors_px(predicted_yx: Float[Tensor, "*batch 2"], truth_yx: Float[Tensor, "*batch 2"], size_px: tuple[int, int]
              ) -> Float[Tensor, "*batch"]:
    """Return the Euclidean distances in pixels of an image of ``size_px`` (rows, columns); NaN for a NaN point."""
    return ((predicted_yx - truth_yx) * torch.tensor(size_px).to(truth_yx)).square().sum(-1).sqrt()


def hits(error_px: Float[Tensor, "*batch K"], normaliser_px: Float[Tensor, "*batch"], alpha: float
         ) -> Bool[Tensor, "*batch K"]:
    """Return True for errors of at most ``alpha * normaliser_px``, the limit included; a NaN error is a miss."""
    return error_px <= alpha * normaliser_px[..., None]


def share(hit: Bool[Tensor, "*batch K"], counted: Bool[Tensor, "*batch K"]) -> float:
    """Return the share of all counted points that hit, pooled over images; NaN if none is counted."""
    return hit[counted].double().mean().item()


def share_per_image(hit: Bool[Tensor, "*#batch K"], counted: Bool[Tensor, "*#batch K"]) -> Float[Tensor, "*batch"]:
    """Return each image's share of counted points that hit; NaN for an image without any; leading axes broadcast."""
    return (hit & counted).sum(-1).double() / counted.sum(-1)
