"""CUB as CMR cleaned it: one Matlab file for each list."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data._images import demand, inside
from harness.data.formats.text_columns import Table, demand_apart, demand_unique
from harness.errors import UsageError

LISTS = ("train", "val", "test")
CORNERS = ("x1", "y1", "x2", "y2")


def read(folder: Path, cache: Path, parts: int, source: str
         ) -> tuple[list[str], Table, Table, NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    """Return files, points (M K x, y, visible), boxes (M x1, y1, x2, y2), classes, and which are in which list.

    Pixels are counted from 1, and a box holds the pixels at both its ends. The files hold masks too, which cannot be
    left out when they are read: this takes a gigabyte of memory for a moment. The list "val" may be missing.
    """
    demand(folder, ("images",), source)
    demand(cache, [f"data/{name}_cub_cleaned.mat" for name in ("train", "test")], source)
    files: list[str] = []
    points, boxes, lengths = [], [], {}
    for name in LISTS:
        path = cache / "data" / f"{name}_cub_cleaned.mat"
        if not path.is_file():
            continue
        own_files, own_points, own_boxes = _list(path, parts)
        demand_unique(own_files, str(path))
        lengths[name] = len(own_files)
        files += [f"images/{inside(folder / 'images', file, str(path))}" for file in own_files]
        points.append(own_points)
        boxes.append(own_boxes)
    of_list = np.repeat(list(lengths), list(lengths.values()))
    lists = {name: of_list == name for name in lengths}
    train, test = ({files[row] for row in np.flatnonzero(lists[name])} for name in ("train", "test"))
    demand_apart(train, test, str(cache / "data"))
    return files, np.concatenate(points), np.concatenate(boxes), _classes(files, cache), lists


def _list(path: Path, parts: int) -> tuple[list[str], Table, Table]:
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

    try:  # scipy raises NotImplementedError for Matlab's HDF5 format, version 7.3, which CMR's files are not in
        images = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=["images"])["images"])
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError, zlib.error) as error:
        raise UsageError(f"{path}: cannot be read as a Matlab file with 'images': {error}") from None
    lacking = [name for name in ("rel_path", "parts", "bbox") if name not in (images.dtype.names or ())]
    if lacking:
        raise UsageError(f"{path}: its 'images' lack {', '.join(lacking)}")
    return images


def _classes(files: list[str], cache: Path) -> NDArray[np.int64]:
    """Return the images' classes, which are the numbers that their folders' names begin with."""
    found = [file.split("/")[1].partition(".")[0] for file in files]
    odd = next((file for file, number in zip(files, found, strict=True) if not number.isdigit()), None)
    if odd:
        raise UsageError(f"{cache / 'data'}: {odd.removeprefix('images/')!r} does not begin with a class's number")
    return np.array(found, dtype=np.int64)
