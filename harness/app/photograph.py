"""One's own photograph: limits, and the square that the model sees."""

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from harness.data._images import open_image, open_rgb
from harness.data._pixels import cut_square
from harness.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 50_000_000
FEWEST_PX = 16  # of the shorter side


def square(path: Path, side_px: int) -> "Tensor":
    """Return the central square of a photograph at ``side_px`` as 3 h w in [0, 1].

    Raises:
        UsageError: It is too large or too small, or no picture. The message names the file, not its folder.
    """
    try:
        size = path.stat().st_size
    except OSError:
        raise UsageError(f"{path.name}: there is no such file; choose one that is there") from None
    if size > MOST_BYTES:
        raise UsageError(f"{path.name}: {size / 2**20:.0f} MB; at most {MOST_BYTES // 2**20} MB are taken")
    try:
        with open_image(path) as file:
            _demand_size(path.name, file)
        image = open_rgb(path)
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), path.name).removeprefix("image ")) from None
    side = float(min(image.size))
    return cut_square(image, ((image.height - side) / 2, (image.width - side) / 2, side), side_px)


def _demand_size(name: str, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UsageError(f"{name}: {width} x {height} pixels; at most {MOST_PIXELS // 10**6} million are taken")
    if min(width, height) < FEWEST_PX:
        raise UsageError(f"{name}: {width} x {height} pixels; a side needs at least {FEWEST_PX}")
