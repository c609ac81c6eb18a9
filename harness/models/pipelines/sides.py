"""Sides of a view that a model halves without a remainder; with others its maps are shifted against the image.

The autoencoder drops pixels that do not fill a latent, so latents of 67 px cover 64; the UNet rounds an odd number of
latents up on its way down, so 17 become 9 cells that reach beyond them. Every point would be wrong without an error.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.models.loading.files import read_json


def multiple(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> int:
    """Return the number of pixels that must divide a view's sides, from the configurations of UNet and autoencoder.

    Source: diffusers, UNet2DConditionModel and AutoencoderKL: every block of the down path but the last one halves.
    """
    halvings = len(unet.get("down_block_types", (0,) * 4)) + len(vae.get("block_out_channels", (0,))) - 2
    return int(2**halvings)


def multiple_of_folder(folder: Path) -> int | None:
    """Return the multiple of a folder's model, None if a configuration file is missing."""
    unet, vae = (folder / part / "config.json" for part in ("unet", "vae"))
    return multiple(read_json(unet), read_json(vae)) if unet.is_file() and vae.is_file() else None


def demand(sides_px: Iterable[int], multiple: int, where: str) -> None:
    """Raise UsageError for the first side that is not a multiple; it names the nearest multiples."""
    for side in sides_px:
        if side % multiple:
            low = side - side % multiple
            nearest = f"{low} or {low + multiple}" if low else str(multiple)
            raise UsageError(f"{where}: {side} px; this model takes multiples of {multiple} px, the nearest {nearest}")
