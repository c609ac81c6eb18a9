"""CUB as AutoLink cut and stored it: images, points and visibility in one HDF5 file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import require_files
from harness.data._photos import Photos
from harness.data.formats.hdf5 import open_h5
from harness.errors import UsageError

NAME = "cub.h5"


def read(root: Path, subset: str, parts: int, source: str) -> Photos:
    """Return the index: points are (row, column) in [0, 1] of images cut around the bird and made square.

    Classes are recorded for the test list alone, so a subset is trained on all classes, as in AutoLink. AutoLink cut at
    most up to the image's border and stretched the result to a square: only this layout scales the axes differently.
    """
    require_files(root, [NAME], source)
    path = root / NAME
    lists = {"train": "train", "test": "test" if subset == "all" else f"test{subset}"}
    files: list[str] = []
    points, visibility, sides, rows = [], [], [], {}
    with open_h5(path) as file:
        for name, key in lists.items():
            side, list_points, list_visibility = _read_list(path, file, key, parts)
            count = len(list_points)
            rows[name] = np.arange(len(files), len(files) + count)
            files += [f"{key}_img/{index}" for index in range(count)]
            sides += [side] * count
            points.append(list_points)
            visibility.append(list_visibility)
    points_yx, visible, side_px = np.concatenate(points), np.concatenate(visibility) > 0, np.array(sides, np.float32)
    visible &= np.isfinite(points_yx).all(-1) & (points_yx > -1).all(-1)  # points just outside the cut are valid
    zero = np.zeros_like(side_px)
    return Photos(
        root, tuple(files), np.where(visible[..., None], points_yx * side_px[:, None, None], np.nan).astype(np.float32),
        visible, np.stack((zero, zero, side_px, side_px), axis=-1), side_px, rows,
        tuple(3 * side * side for side in sides), f"{path.stat().st_size}",
    )


def image(path: Path, entry: str) -> Image.Image:
    """Return an image by its entry, such as `train_img/12`."""
    key, _, index = entry.partition("/")
    with open_h5(path) as file:
        try:
            return Image.fromarray(np.moveaxis(file[key][int(index)], 0, -1).astype(np.uint8))
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise UsageError(f"{path}: {entry}: cannot be read: {error}") from None


def _read_list(path: Path, file: Any, key: str, parts: int) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Return a list's image side, points and visibility."""
    missing = [f"{key}_{item}" for item in ("img", "kp", "vis") if f"{key}_{item}" not in file]
    if missing:
        raise UsageError(f"{path}: {missing[0]} is missing")
    shape = tuple(file[f"{key}_img"].shape)
    try:
        points, visibility = (np.asarray(file[f"{key}_{item}"][...], np.float64) for item in ("kp", "vis"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {key}: cannot be read: {error}") from None
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
        raise UsageError(f"{path}: {key}_img has shape {shape}, expected (images, 3, side, side)")
    if points.shape != (shape[0], parts, 2) or visibility.shape != (shape[0], parts):
        raise UsageError(f"{path}: {key}_kp and {key}_vis have shapes {points.shape} and {visibility.shape}, expected "
                         f"{(shape[0], parts, 2)} and {(shape[0], parts)}")
    return shape[2], points, visibility
