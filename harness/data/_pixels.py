"""Pixels as tensors: cut out squares and scale them, paint over grey, measure silhouettes."""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from harness.data._images import GREY


def cut_square(image: Image.Image, square_px: tuple[float, float, float], side_px: int, background: int = GREY
        ) -> Float[Tensor, "3 h w"]:
    """Return a square (top, left, side) of an image at ``side_px``, in [0, 1]; outside the image is ``background``.

    Scales both axes by the same factor; antialiased when it shrinks.
    """
    top, left, side = square_px
    if not side > 0:
        raise ValueError(f"a square of side {side:g} px has no content")
    box = (int(np.floor(left)), int(np.floor(top)), int(np.ceil(left + side)), int(np.ceil(top + side)))
    padded = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), (background,) * 3)
    padded.paste(image, (-box[0], -box[1]))
    exact = (left - box[0], top - box[1], left - box[0] + side, top - box[1] + side)
    scaled = padded.resize((side_px, side_px), Image.Resampling.BICUBIC, box=exact)
    return torch.from_numpy(np.array(scaled)).permute(2, 0, 1).float() / 255


def on_grey(rgba: UInt8[Tensor, "h w 4"], grey: int = GREY) -> UInt8[Tensor, "h w 3"]:
    """Return an RGBA image over a uniform grey, rounded to the nearest level. Source: Zero123++, to_rgb_image."""
    colour, alpha = rgba[..., :3].int(), rgba[..., 3:].int()
    blended = colour * alpha + grey * (255 - alpha)
    return ((2 * blended + 255) // 510).to(torch.uint8)


def longest_side_px(silhouette: Bool[np.ndarray, "h w"]) -> float:
    """Return the longer side of the silhouette's bounding box in pixels, 0 if it is empty."""
    sides = [np.flatnonzero(silhouette.any(axis)) for axis in (0, 1)]
    return float(max(where[-1] - where[0] + 1 if len(where) else 0 for where in sides))
