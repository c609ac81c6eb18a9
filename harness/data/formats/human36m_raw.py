"""Human3.6M as h36m-fetch stores it: whole frames of four cameras, and one HDF5 file for each action."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data._photos import Numbers
from harness.data.formats.hdf5 import open_h5
from harness.data.formats.human36m_simplified import actions
from harness.errors import UsageError

FILE, POSES = "annot.h5", "pose/2d"


def files(root: Path, subject: str, source: str) -> Iterator[str]:
    """Yield a subject's annotated images, relative to the root; images without annotation are left out."""
    for folder in actions(root, subject, source):
        path = root / folder / FILE
        if not path.is_file():
            raise UsageError(f"{path}: missing; get it from {source}")
        with open_h5(path) as file:
            cameras, frames = _numbers(path, file)
        names = [f"{folder}/imageSequence/{camera}/img_{frame:06d}.jpg"
                 for camera, frame in zip(cameras.tolist(), frames.tolist(), strict=True)]
        if len(set(names)) < len(names):
            twice = next(name for name, again in zip(sorted(names), sorted(names)[1:], strict=False) if name == again)
            raise UsageError(f"{path}: {twice} is listed twice")
        yield from names


def labels(image: Path) -> Path:
    """Return the file of an image's points."""
    return image.parent.parent.parent / FILE


def points(image: Path, joints: int) -> Numbers:
    """Return an image's points (row, column) in pixels; raise UsageError if they cannot be read."""
    path = labels(image)
    poses, row_of = _poses(path, path.stat().st_mtime_ns)
    points_xy: Numbers = poses[row_of[int(image.parent.name), int(image.stem.removeprefix("img_"))]]
    if points_xy.shape != (joints, 2) or np.isinf(points_xy).any():
        raise UsageError(f"{path}: {POSES}: expected {joints} x 2 numbers, has {' x '.join(map(str, points_xy.shape))}")
    return points_xy[:, ::-1]


@lru_cache(maxsize=4)
def _poses(path: Path, changed_ns: int) -> tuple[Numbers, dict[tuple[int, int], int]]:
    """Return an action's poses, and the row of each camera and frame in them."""
    with open_h5(path) as file:
        cameras, frames = _numbers(path, file)
        poses = np.asarray(file[POSES], np.float32)
    return poses, {key: row for row, key in enumerate(zip(cameras.tolist(), frames.tolist(), strict=True))}


def _numbers(path: Path, file: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the camera and the frame of each pose."""
    for name in ("camera", "frame", POSES):
        if name not in file:
            raise UsageError(f"{path}: has no {name}")
    shapes = {name: file[name].shape[:1] for name in ("camera", "frame", POSES)}
    if len(set(shapes.values())) > 1 or () in shapes.values():
        lengths = ", ".join(f"{name} {shape[0] if shape else 'none'}" for name, shape in shapes.items())
        raise UsageError(f"{path}: needs one entry per pose; has {lengths}")
    return np.asarray(file["camera"], np.int64), np.asarray(file["frame"], np.int64)
