"""CUB as CMR cleaned it: one Matlab file for each list."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data._images import path_inside, require_files
from harness.data.formats.text_columns import Columns, demand_apart, demand_unique
from harness.errors import UsageError

LISTS = ("train", "val", "test")
CORNERS = ("x1", "y1", "x2", "y2")


def read(folder: Path, cache: Path, parts: int, source: str
         ) -> tuple[list[str], Columns, Columns, NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    """Return files, points (M K x, y, visible), boxes (M x1, y1, x2, y2), classes, and the members of each list.

    Pixels are counted from 1, and a box includes the pixels at both ends. The files also hold masks, which cannot be
    skipped: reading takes a gigabyte of memory for a moment. The list "val" may be missing.
    """
    require_files(folder, ("images",), source)
    require_files(cache, [f"data/{name}_cub_cleaned.mat" for name in ("train", "test")], source)
    files: list[str] = []
    points, boxes, lengths = [], [], {}
    for name in LISTS:
        path = cache / "data" / f"{name}_cub_cleaned.mat"
        if not path.is_file():
            continue
        list_files, list_points, list_boxes = _read_list(path, parts)
        demand_unique(list_files, str(path))
        lengths[name] = len(list_files)
        files += [f"images/{path_inside(folder / 'images', file, str(path))}" for file in list_files]
        points.append(list_points)
        boxes.append(list_boxes)
    of_list = np.repeat(list(lengths), list(lengths.values()))
    lists = {name: of_list == name for name in lengths}
    train, test = ({files[row] for row in np.flatnonzero(lists[name])} for name in ("train", "test"))
    demand_apart(train, test, str(cache / "data"))
    return files, np.concatenate(points), np.concatenate(boxes), _classes(files, cache), lists


def _read_list(path: Path, parts: int) -> tuple[list[str], Columns, Columns]:
    images = _images(path)
    files = [str(name) for name in images["rel_path"]]
    points, boxes = np.empty((len(images), parts, 3)), np.empty((len(images), 4))
    for row, image in enumerate(images):
        try:
            points[row] = np.asarray(image["parts"], dtype=float).T
            box = image["bbox"]
            boxes[row] = [box[corner] for corner in CORNERS] if np.asarray(box).dtype.names else box
        except (ValueError, TypeError, AttributeError, IndexError, KeyError):
            raise UsageError(f"{path}: {files[row]}: expected 3 x {parts} 'parts' and a 'bbox' of "
                             f"{', '.join(CORNERS)}") from None
    return files, points, boxes


def _images(path: Path) -> NDArray[Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:  # NotImplementedError: Matlab's HDF5 format, version 7.3; CMR's files are older
        images = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["images"])["images"])
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError, zlib.error) as error:
        raise UsageError(f"{path}: cannot be read as a Matlab file with 'images': {error}") from None
    missing = [name for name in ("rel_path", "parts", "bbox") if name not in (images.dtype.names or ())]
    if missing:
        raise UsageError(f"{path}: its 'images' lack {', '.join(missing)}")
    return images


def _classes(files: list[str], cache: Path) -> NDArray[np.int64]:
    """Return the images' classes: the numbers at the beginning of their folders' names."""
    numbers = [file.split("/")[1].partition(".")[0] for file in files]
    odd = next((file for file, number in zip(files, numbers, strict=True) if not number.isdigit()), None)
    if odd:
        raise UsageError(f"{cache / 'data'}: {odd.removeprefix('images/')!r} does not begin with a class's number")
    return np.array(numbers, dtype=np.int64)
