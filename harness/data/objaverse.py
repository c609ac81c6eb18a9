"""Objects rendered into Zero123++'s six views, without keypoints: Objaverse as InstantMesh lays it out, or your own.

Deitke et al., Objaverse: A Universe of Annotated 3D Objects, CVPR 2023; layout: InstantMesh (Xu et al. 2024),
https://github.com/TencentARC/InstantMesh; `scripts/render_views.py` writes it. Each object has its own licence.

Layout: lvis-annotations.json ``{category: [path, ...]}``, rendering_zero123plus/<path>/000.png ... 006.png, RGBA: 000
is the condition view, 001 to 006 are Zero123++'s views, row by row. The test list is the last 16 of all paths in order,
or the last third of fewer than 48.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from harness.data._images import (
    GREY,
    data_root,
    file_sizes,
    open_image,
    path_inside,
    require_files,
)
from harness.data._objects import ObjectData, Objects
from harness.data.base import Rules, Survey
from harness.data.formats.json_labels import parse_json, read_bytes
from harness.errors import UsageError
from harness.registry import knob

if TYPE_CHECKING:
    import torch

    import harness.data._scene

VERSION = 2  # raise when a scene of the same files and knobs comes out different
SOURCE = "https://github.com/TencentARC/InstantMesh, or render your own meshes: scripts/render_views.py"
LIST, FOLDER = "lvis-annotations.json", "rendering_zero123plus"
FILES = tuple(f"{number:03}.png" for number in range(7))
BACKGROUNDS = {"grey": GREY, "white": 255}


@dataclass(frozen=True)
class Objaverse(ObjectData):
    """Objects in six views without keypoints: only scores without labels are computed.

    Cameras are taken to be those of Zero123++ around the condition view: azimuth 0 in the world is the condition's. An
    object listed in two categories counts once. The unit of errors is the longer side of the silhouette's box.
    """

    background: str = knob("grey", "behind the object: as Zero123++ paints, or white as InstantMesh does",
                           choices=tuple(BACKGROUNDS))
    held_out: int = knob(0, "how many of the last objects are the test list; 0: 16, or a third where that is fewer",
                         low=0)
    keypoint_names = ()
    rules = Rules(normaliser="longer side of the silhouette's box")

    def read(self) -> Objects:
        """Return the listed objects; lists their folders, but opens no image."""
        root = data_root(self.name, self.root, SOURCE)
        require_files(root, [LIST, FOLDER], SOURCE)
        path = root / LIST
        names = tuple(path_inside(root / FOLDER, name, str(path)) for name in _listed_names(path))
        held_out = self.held_out or min(16, len(names) // 3)
        if not 0 < held_out <= len(names) - 2:
            raise UsageError(f"{path}: {len(names)} objects; with {held_out or 1} held out for the test at least "
                             f"{(held_out or 1) + 2} are needed")
        lengths = file_sizes(root, [f"{FOLDER}/{name}/{file}" for name in names for file in FILES], str(path))
        digest = hashlib.sha256(repr((VERSION, names, lengths)).encode()).hexdigest()
        rows = np.arange(len(names))
        return Objects(names, {"train": rows[:-held_out], "test": rows[-held_out:]}, digest, root)

    def stamp(self, split: str, index: int) -> str:
        """Return the sizes and times of change of the object's seven files."""
        states = [path.stat() for path in self._paths(int(self.rows(split)[index]))]
        return " ".join(f"{state.st_size}:{state.st_mtime_ns}" for state in states)

    def scene(self, split: str, index: int) -> "harness.data._scene.Scene":
        """Return an object's six views and its condition view."""
        import torch

        from harness.data._scene import Scene
        from harness.ops.geometry import zero123plus_cameras

        row = int(self.rows(split)[index])
        first, *others = self._paths(row)
        condition, views = self._condition(first), [self._view(path) for path in others]
        self._check_cameras(row)
        return Scene(
            name=f"objaverse/{self.objects.names[row]}", views=torch.stack([image for image, _ in views]),
            condition=condition, points_yx=torch.zeros(6, 0, 2), visible=torch.zeros(6, 0, dtype=torch.bool),
            normaliser_px=torch.tensor([side for _, side in views]),
            cameras=zero123plus_cameras(0.0, self.version), points_xyz=torch.zeros(0, 3),
        )

    def survey(self) -> Survey:
        """Return counts of objects, and the files that cannot be used."""
        objects, errors = self.objects, []
        for row in range(len(objects.names)):
            try:
                self._check_cameras(row)
                first, *others = self._paths(row)
                self._condition(first)
                for path in others:
                    self._view(path)
            except UsageError as error:
                errors.append(str(error))
        found = (f"{len(objects.names)} objects in {objects.root}",
                 *(f"list {name!r}: {len(rows)}" for name, rows in objects.lists.items()),
                 *super().survey().found, "no keypoints: PCK is left out")
        return Survey(found, tuple(errors))

    def _paths(self, row: int) -> list[Path]:
        folder = self.objects.root / FOLDER / self.objects.names[row]
        return [folder / file for file in FILES]

    def _condition(self, path: Path) -> "torch.Tensor":
        """Return the condition view in the file's own size, which the model scales as its pipeline does."""
        image, alpha = self._open(path)
        self._silhouette_px(alpha, path)
        return _float(image)

    def _view(self, path: Path) -> tuple["torch.Tensor", float]:
        """Return one view over the background, and the longer side of its silhouette in pixels."""
        image, alpha = self._open(path)
        size = (self.side_px, self.side_px)
        if image.size != size:
            image, alpha = image.resize(size, Image.Resampling.BICUBIC), alpha.resize(size, Image.Resampling.BOX)
        return _float(image), self._silhouette_px(alpha, path)

    def _open(self, path: Path) -> tuple[Image.Image, Image.Image]:
        """Return a square image over the background, and its alpha channel."""
        import torch

        from harness.data._pixels import on_grey

        rgba = _open_rgba(path)
        if rgba.width != rgba.height:
            raise UsageError(f"image {path}: {rgba.width} x {rgba.height}; a view is square")
        image = Image.fromarray(on_grey(torch.from_numpy(np.array(rgba)), BACKGROUNDS[self.background]).numpy())
        return image, rgba.getchannel("A")

    def _silhouette_px(self, alpha: Image.Image, path: Path) -> float:
        from harness.data._pixels import longest_side_px

        side = longest_side_px(np.array(alpha) >= 128)  # at least half covered
        if not side:
            raise UsageError(f"image {path}: shows nothing; its alpha channel is empty")
        return side

    def _check_cameras(self, row: int) -> None:
        """Raise UsageError if the renderer recorded other cameras than those of the knob."""
        path = self._paths(row)[0].with_name("cameras.json")
        if not path.is_file():
            return
        try:
            version = json.loads(path.read_text())["version"]
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            raise UsageError(f"{path}: cannot be read: {error}") from error
        if version != self.version:
            raise UsageError(f"{path}: rendered with the cameras of {version}; data.version is {self.version}")


def _float(image: Image.Image) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def _listed_names(path: Path) -> list[str]:
    """Return the paths of all categories in the file's order, each once."""
    categories = parse_json(read_bytes(path, SOURCE), path)
    lists: list[Any] = list(categories.values()) if isinstance(categories, dict) else [None]
    if not all(isinstance(paths, list) and all(isinstance(name, str) for name in paths) for paths in lists):
        raise UsageError(f"{path}: not of the form {{category: [path, ...]}}")
    return list(dict.fromkeys(name for paths in lists for name in paths))


def _open_rgba(path: Path) -> Image.Image:
    """Return an RGBA image; raise UsageError for a file that is not an image or has no alpha channel."""
    with open_image(path) as file:
        file.load()
        if file.mode not in ("RGBA", "LA") and "transparency" not in file.info:
            raise UsageError(f"image {path}: {file.mode}, no alpha channel; the object's outline is not known")
        return file.convert("RGBA")
