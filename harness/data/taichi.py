"""Tai-Chi-HD: frames of videos of people doing tai-chi, with 18 points that a pose detector found.

Layout as in AutoLink and StableKeypoints: ``landmark/taichi_{train,test}_gt.pkl``, a pandas table of ``file_name`` and
``value``, 18 rows (x, y) at 256 px, -1 if the detector found nothing; ``eval_images/taichi-256/{train,test}/``, its
5000 and 300 images; ``train/<video>/``, the videos' frames without labels. The pickle is read without running code in
it. ``taichi_{train,test}_gt.json``, a list of objects with the same two entries, has precedence.

Points are divided by 256 as in both, so they count from the image's upper left corner. The table names no keypoints, so
their names are numbers. Negative or NaN means not visible; StableKeypoints also leaves out exact zeros. The whole image
is seen; the unit of PCK is its side.

Siarohin et al.: First Order Motion Model for Image Animation, NeurIPS 2019; keypoints of Siarohin et al.:
Motion-supervised Co-Part Segmentation, 2020; links at github.com/xingzhehe/AutoLink-Self-supervised-Learning-of-Human-\
Skeletons-and-Object-Outlines-by-Linking-Keypoints
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data._images import SUFFIXES, data_root, file_sizes, path_inside, require_files
from harness.data._photos import Label, Numbers, PhotoData, Photos, scale_label
from harness.data.base import Rules
from harness.data.formats.json_labels import parse_json, read_bytes
from harness.data.formats.pandas_pickle import read_frame
from harness.errors import UsageError
from harness.registry import knob

SOURCE = "the links in AutoLink's README (github.com/xingzhehe)"
SIDE = 256  # pixels of the images that the points refer to
KEYPOINTS = 18


@dataclass(frozen=True)
class Taichi(PhotoData):
    """Tai-Chi-HD's labelled frames, and optionally the frames of all training videos to optimise on."""

    optimise_on: str = knob("labelled", "what tokens are optimised on: half of the labelled training images, or all "
                            "frames in train/, which leaves all labelled ones to fit", choices=("labelled", "videos"))

    rules = Rules(normaliser="side of the image", official="summed")
    keypoint_names = tuple(str(number) for number in range(KEYPOINTS))

    def read(self) -> Photos:
        """Return the index; opens the two tables and no image."""
        root, digest = data_root(self.name, self.root, SOURCE), hashlib.sha256()
        files: list[str] = []
        points: list[Numbers] = []
        lists = {}
        for part in ("train", "test"):
            require_files(root, (f"eval_images/taichi-256/{part}",), SOURCE)
            names, places = _read_table(root, part, digest)
            lists[part] = np.arange(len(files), len(files) + len(names))
            files += names
            points.append(places)
        if self.optimise_on == "videos":
            frames = _frames(root)
            lists["unlabelled"] = np.arange(len(files), len(files) + len(frames))
            files += frames
            points.append(np.full((len(frames), KEYPOINTS, 2), np.nan, np.float32))
        joined, count = np.concatenate(points), len(files)
        return Photos(root, tuple(files), joined, ~np.isnan(joined[..., 0]), np.full((count, 4), np.nan, np.float32),
                      np.full(count, SIDE, np.float32), lists=lists, labels=digest.hexdigest(),
                      sizes=tuple(file_sizes(root, files, f"{root / 'landmark'}")))

    def label(self, row: int) -> Label:
        """Return an image's annotations in its own pixels."""
        return scale_label(super().label(row), self.path(row), SIDE)


def _read_table(root: Path, part: str, digest: Any) -> tuple[list[str], Numbers]:
    """Return the files of a table, relative to the root, and their points (row, column), NaN if missing."""
    path = root / f"landmark/taichi_{part}_gt.pkl"
    if path.with_suffix(".json").is_file():
        path = path.with_suffix(".json")
    content = read_bytes(path, SOURCE)
    digest.update(content)
    names, values = _columns(path, content)
    files = [f"eval_images/taichi-256/{part}/" + path_inside(root, str(name), f"{path}, row {row}")
             for row, name in enumerate(names)]
    if len(set(files)) < len(files):
        raise UsageError(f"{path}: {next(n for n in names if list(names).count(n) > 1)!r} is listed twice")
    places = np.empty((len(files), KEYPOINTS, 2), np.float32)
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        places[row] = _points(value, f"{path}, row {row} ({name})")
    places[(places < 0).any(-1) | np.isnan(places).any(-1)] = np.nan
    return files, places[..., ::-1]


def _columns(path: Path, content: bytes) -> tuple[Sequence[Any], Sequence[Any]]:
    if path.suffix == ".pkl":
        table = read_frame(content, path)
    else:
        rows = parse_json(content, path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"{path}: needs a list of objects with file_name and value")
        table = {name: [row.get(name) for row in rows] for name in ("file_name", "value")}
    if not {"file_name", "value"} <= table.keys():
        raise UsageError(f"{path}: needs the columns file_name and value; has {', '.join(table) or 'none'}")
    if not table["file_name"]:
        raise UsageError(f"{path}: lists no image")
    return table["file_name"], table["value"]


def _points(value: Any, where: str) -> Numbers:
    try:
        points = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        points = np.empty(0, np.float32)
    if points.shape != (KEYPOINTS, 2) or np.isinf(points).any():
        raise UsageError(f"{where}: value: expected {KEYPOINTS} points x, y; has {str(value)[:60]!r}")
    return points


def _frames(root: Path) -> list[str]:
    """Return the files of the videos' frames, relative to the root."""
    require_files(root, ("train",), SOURCE)
    frames = sorted(f"train/{video.name}/{frame.name}" for video in (root / "train").iterdir() if video.is_dir()
                    for frame in video.iterdir() if frame.suffix.lower() in SUFFIXES)
    if not frames:
        raise UsageError(f"data folder {root}: no images in train/<video>/; get it from {SOURCE}")
    return frames
