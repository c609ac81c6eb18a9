"""Texture images: found beside a mesh whatever wrote their names, read once, kept once."""

import hashlib
import io
import unicodedata
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data.rendering.parts import refuse
from harness.data.rendering.raster import Floats
from harness.data.rendering.texture import pyramid

SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # greys that PIL would cut off at 255


class Images:
    """Images of one mesh file: equal ones share their levels, whichever part or material names them."""

    def __init__(self) -> None:
        self._levels: dict[bytes, tuple[Floats, ...]] = {}
        self._clear: dict[bytes, bool] = {}

    def levels(self, blob: bytes, name: str) -> tuple[Floats, ...]:
        """Return an image's levels; raise Defect with its name where it cannot be read."""
        key = hashlib.sha256(blob).digest()
        if key not in self._levels:
            try:
                with warnings.catch_warnings():  # PIL warns of odd tags and sizes; what it cannot read it raises
                    warnings.simplefilter("ignore")
                    with Image.open(io.BytesIO(blob)) as image:
                        self._clear[key] = _see_through(image)
                        pixels = _pixels(image)
            except Exception as error:  # whatever a decoder stumbles over
                reason = "not an image that can be read" if "cannot identify" in str(error) else _line(error)
                refuse(f"{name} is unreadable: {reason}")
            self._levels[key] = pyramid(pixels)
        return self._levels[key]

    def see_through(self, blob: bytes) -> bool:
        """Return whether any pixel of an image that was read is not opaque."""
        return self._clear[hashlib.sha256(blob).digest()]


def _pixels(image: Image.Image) -> Floats:
    """Return an image (h w 3) in [0, 1]."""
    if image.mode in SIXTEEN_BIT or image.mode == "F":
        grey = np.asarray(image).astype(np.float32)
        if image.mode != "F":
            grey /= 65535
        return np.repeat(grey.clip(0, 1)[..., None], 3, -1)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255


def _see_through(image: Image.Image) -> bool:
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return False
    if image.mode in SIXTEEN_BIT:
        return False
    return bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def beside(folder: Path, name: str) -> Path | None:
    """Return the file of that name from a folder, None without one.

    Backslashes stand for slashes. Where the letters' case differs from the disk's, the only file that is alike counts.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    place = Path("/") if name.startswith("/") else folder
    if not parts:
        return None
    for part in parts:
        exact = place / part
        if part == ".." or exact.exists():
            place = exact
            continue
        try:
            alike = [entry for entry in place.iterdir() if _folded(entry.name) == _folded(part)]
        except OSError:
            return None
        if len(alike) != 1:
            return None
        place = alike[0]
    return place if place.is_file() else None


def _folded(name: str) -> str:
    """Return a name without its letters' case and the ways of writing accents."""
    return unicodedata.normalize("NFC", name).casefold()


def decoded(blob: bytes) -> str:
    """Return a text file's text; old exporters wrote one byte for a letter."""
    try:
        return blob.decode("utf-8-sig")
    except UnicodeDecodeError:
        return blob.decode("latin-1")


def content(path: Path, what: str) -> bytes:
    """Return a file's bytes; raise Defect where they cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(f"{what} {path} is unreadable: {error.strerror or error}")
