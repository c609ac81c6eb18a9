"""Pictures with a transparent background, over grey: what Zero123++ was trained on."""

import torch
from jaxtyping import UInt8
from torch import Tensor

GREY = 127


def on_grey(rgba: UInt8[Tensor, "h w 4"], grey: int = GREY) -> UInt8[Tensor, "h w 3"]:
    """Return the picture over a uniform grey, rounded to the nearest level. Source: Zero123++, to_rgb_image."""
    colour, alpha = rgba[..., :3].int(), rgba[..., 3:].int()
    blended = colour * alpha + grey * (255 - alpha)
    return ((2 * blended + 255) // 510).to(torch.uint8)
