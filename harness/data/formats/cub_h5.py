"""CUB as AutoLink cut and stored it: images, points and visibility in one HDF5 file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import demand
from harness.data._photos import Photos
from harness.errors import UsageError

NAME = "cub.h5"


def read(root: Path, subset: str, parts: int, source: str) -> Photos:
    """Return the index: points are (row, column) in [0, 1] of images cut around the bird and made square.

    A class's images are known in the test list alone, so that a subset is trained on every class, as AutoLink does.
    Cutting stopped at the image's border and the rest was stretched to a square: this layout, and it alone, is not
    scaled alike on both axes.
    """
    demand(root, [NAME], source)
    path = root / NAME
    lists = {"train": "train", "test": "test" if subset == "all" else f"test{subset}"}
    files: list[str] = []
    points, seen, sides, rows = [], [], [], {}
    with opened(path) as file:
        for name, key in lists.items():
            side, own_points, own_seen = _list(path, file, key, parts)
            rows[name] = np.arange(len(files), len(files) + len(own_points))
            files += [f"{key}_img/{index}" for index in range(len(own_points))]
            sides += [side] * len(own_points)
            points.append(own_points)
            seen.append(own_seen)
    every, visible, side_px = np.concatenate(points), np.concatenate(seen) > 0, np.array(sides, np.float32)
    visible &= np.isfinite(every).all(-1) & (every > -1).all(-1)  # a little outside the cut is no mistake
    zero = np.zeros_like(side_px)
    return Photos(
        root, tuple(files), np.where(visible[..., None], every * side_px[:, None, None], np.nan).astype(np.float32),
        visible, np.stack((zero, zero, side_px, side_px), axis=-1), side_px, rows,
        tuple(3 * side * side for side in sides), f"{path.stat().st_size}",
    )


def image(path: Path, entry: str) -> Image.Image:
    """Return an image by its entry, such as `train_img/12`."""
    key, _, index = entry.partition("/")
    with opened(path) as file:
        try:
            return Image.fromarray(np.moveaxis(file[key][int(index)], 0, -1).astype(np.uint8))
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise UsageError(f"{path}: {entry}: cannot be read: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading; raise UsageError where h5py is missing or the file is no HDF5."""
    try:
        import h5py
    except ImportError:
        raise UsageError(f"{path}: reading it takes h5py: pip install 'harness[data]'") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as HDF5: {str(error).splitlines()[0]}") from None
    with file:
        yield file


def _list(path: Path, file: Any, key: str, parts: int) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Return a list's side of images, points and visibility."""
    lacking = [f"{key}_{what}" for what in ("img", "kp", "vis") if f"{key}_{what}" not in file]
    if lacking:
        raise UsageError(f"{path}: {lacking[0]} is missing")
    shape = tuple(file[f"{key}_img"].shape)
    try:
        points, seen = (np.asarray(file[f"{key}_{what}"][...], np.float64) for what in ("kp", "vis"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {key}: cannot be read: {error}") from None
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
        raise UsageError(f"{path}: {key}_img has shape {shape}, expected (images, 3, side, side)")
    if points.shape != (shape[0], parts, 2) or seen.shape != (shape[0], parts):
        raise UsageError(f"{path}: {key}_kp and {key}_vis have shapes {points.shape} and {seen.shape}, expected "
                         f"{(shape[0], parts, 2)} and {(shape[0], parts)}")
    return shape[2], points, seen
