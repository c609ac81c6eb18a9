"""Human3.6M cut to the person: an image, a mask and a MATLAB file for each frame."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.data._images import require_files
from harness.data._photos import Numbers
from harness.errors import UsageError

IMAGES, LABELS, MASKS = "WithBackground", "Landmarks", "BackgroudMask"
ACTIONS = re.compile(r"(Directions|Discussion|Posing|Waiting|Greeting|Walking)(?![A-Za-z])")


def actions(root: Path, folder: str, source: str) -> Iterator[str]:
    """Yield the folders of the six actions in a folder, relative to the root; raise UsageError if there is none."""
    require_files(root, (folder,), source)
    names = sorted(entry.name for entry in os.scandir(root / folder) if ACTIONS.match(entry.name) and entry.is_dir())
    if not names:
        raise UsageError(f"data folder {root / folder}: holds none of the six actions' folders; get it from {source}")
    yield from (f"{folder}/{name}" for name in names)


def files(root: Path, subject: str, source: str) -> Iterator[str]:
    """Yield a subject's images, relative to the root; raise UsageError naming one that has no points."""
    for folder in actions(root, f"{subject}/{IMAGES}", source):
        label_files = _names(root / subject / LABELS / folder.rpartition("/")[2])
        for frame in sorted(name for name in _names(root / folder) if name.endswith(".jpg")):
            if f"{frame[:-4]}.mat" not in label_files:
                image = root / folder / frame
                raise UsageError(f"image {image}: its points, {labels(image)}, are missing; get them from {source}")
            yield f"{folder}/{frame}"


def labels(image: Path) -> Path:
    """Return the file of an image's points."""
    return _beside(image, LABELS, ".mat")


def mask(image: Path) -> Path:
    """Return the file of an image's mask, 0 for the background."""
    return _beside(image, MASKS, ".png")


def points(image: Path, joints: int) -> Numbers:
    """Return an image's points (row, column) as shares of its sides; raise UsageError if they cannot be read."""
    from scipy.io import loadmat

    path = labels(image)
    try:
        points_yx = np.asarray(loadmat(path, variable_names=["keypoints_2d"])["keypoints_2d"], np.float32)
    except Exception as error:  # a damaged file can raise any exception
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"{path}: not a MATLAB file with keypoints_2d: {reason}") from error
    if points_yx.shape != (joints, 2) or np.isinf(points_yx).any():
        shape = " x ".join(map(str, points_yx.shape))
        raise UsageError(f"{path}: keypoints_2d: expected {joints} x 2 numbers, has {shape}")
    return points_yx


def _names(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:  # no Path for each of 800,000 files
        return {entry.name for entry in entries}


def _beside(image: Path, kind: str, suffix: str) -> Path:
    return image.parent.parent.parent / kind / image.parent.name / f"{image.stem}{suffix}"
