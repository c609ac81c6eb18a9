"""CUB-200-2011 as published: text files beside the images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data._images import path_inside, require_files
from harness.data.formats.text_columns import Columns, demand_unique, lines, table
from harness.errors import UsageError

FILES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt", "parts/parts.txt",
         "parts/part_locs.txt")


def read(folder: Path, parts: int, source: str
         ) -> tuple[list[str], Columns, Columns, NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    """Return files, points (M K x, y, visible), boxes (M x1, y1, x2, y2), classes, and the members of each list.

    Pixels are counted from 1, and a box includes the pixels at both ends: CMR's annotation files hold the same numbers
    and its code subtracts 1.
    """
    require_files(folder, FILES, source)
    path = folder / "images.txt"
    ids, names = table(path, 2, word=1)
    demand_unique(ids[:, 0].tolist(), str(path))
    demand_unique(names, str(path))
    files = [f"images/{path_inside(folder / 'images', name, str(path))}" for name in names]
    names_of_parts = folder / "parts" / "parts.txt"
    count = sum(1 for _ in lines(names_of_parts))
    if count != parts:
        raise UsageError(f"{names_of_parts}: {count} parts, expected {parts}")
    classes = _by_image(folder / "image_class_labels.txt", 2, ids[:, 0])[:, 0, 0].astype(np.int64)
    is_train = _by_image(folder / "train_test_split.txt", 2, ids[:, 0])[:, 0, 0]
    odd = ~np.isin(is_train, (0, 1))
    if odd.any():
        raise UsageError(f"{folder / 'train_test_split.txt'}: image {ids[odd][0, 0]:g}: {is_train[odd][0]:g} is "
                         "neither 0 nor 1")
    x, y, wide, high = _by_image(folder / "bounding_boxes.txt", 5, ids[:, 0])[:, 0].T
    boxes = np.stack((x, y, x + wide - 1, y + high - 1), axis=-1)
    points = _by_image(folder / "parts" / "part_locs.txt", 5, ids[:, 0], parts)[..., 1:]
    return files, points, boxes, classes, {"train": is_train == 1, "test": is_train == 0}


def _by_image(path: Path, columns: int, ids: NDArray[np.float64], parts: int = 1) -> Columns:
    """Return a file's lines by image (M, parts, columns - 1): one, or one for each of the parts numbered from 1."""
    numbers, _ = table(path, columns)
    order = np.argsort(ids)
    place = np.searchsorted(ids, numbers[:, 0], sorter=order).clip(max=len(ids) - 1)
    image = order[place]
    unknown = ids[image] != numbers[:, 0]
    if unknown.any():
        raise UsageError(f"{path}: image {numbers[unknown][0, 0]:g} is not in images.txt")
    part = numbers[:, 1] if parts > 1 else np.ones(len(numbers))
    if not np.isin(part, np.arange(1, parts + 1)).all():
        wrong = numbers[~np.isin(part, np.arange(1, parts + 1))][0]
        raise UsageError(f"{path}: image {wrong[0]:g}: there is no part {wrong[1]:g}")
    cell = image * parts + part.astype(np.int64) - 1
    counts = np.bincount(cell, minlength=len(ids) * parts)
    if (counts != 1).any():
        cell_index = int(np.flatnonzero(counts != 1)[0])
        name = f"image {ids[cell_index // parts]:g}" + (f", part {cell_index % parts + 1}" if parts > 1 else "")
        raise UsageError(f"{path}: {name} has {counts[cell_index]} lines, expected 1")
    arranged = np.empty((len(ids) * parts, columns - 1))
    arranged[cell] = numbers[:, 1:]
    return arranged.reshape(len(ids), parts, columns - 1)
