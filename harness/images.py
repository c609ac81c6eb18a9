"""Pictures with a transparent background, over grey as Zero123++ was trained on, and how large what they show is."""

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

GREY = 127


def on_grey(rgba: UInt8[Tensor, "h w 4"], grey: int = GREY) -> UInt8[Tensor, "h w 3"]:
    """Return the picture over a uniform grey, rounded to the nearest level. Source: Zero123++, to_rgb_image."""
    colour, alpha = rgba[..., :3].int(), rgba[..., 3:].int()
    blended = colour * alpha + grey * (255 - alpha)
    return ((2 * blended + 255) // 510).to(torch.uint8)


def longest_side_px(silhouette: Bool[np.ndarray, "h w"]) -> float:
    """Return the longer side of the silhouette's bounding box in pixels, 0 of an empty one."""
    sides = [np.flatnonzero(silhouette.any(axis)) for axis in (0, 1)]
    return float(max(where[-1] - where[0] + 1 if len(where) else 0 for where in sides))
