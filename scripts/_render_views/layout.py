"""The meshes to render, and the files of a rendered mesh."""

import argparse
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data.rendering.meshes import SUFFIXES
from harness.data.rendering.raster import Picture, Triangles, render
from harness.errors import UsageError
from harness.ops.geometry import Cameras, orbit, zero123plus_cameras
from harness.ops.rig import ZERO123PLUS_AZIMUTHS, ZERO123PLUS_ELEVATIONS

LIST, FOLDER = "lvis-annotations.json", "rendering_zero123plus"
FOV, RADIUS = 30.0, 4.0  # degrees; object radii


def find_meshes(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the mesh files among ``paths`` and in folders among them, by the names of their renders."""
    meshes: dict[str, Path] = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise UsageError(f"folder {path}: no mesh in it; looked for *{', *'.join(SUFFIXES)}")
        for file in files:
            inner = file.relative_to(path).with_suffix("") if path.is_dir() else Path(file.stem)
            name = re.sub(r"[^\w.-]+", "_", "_".join(inner.parts)).lstrip(".") or "mesh"
            if name in meshes and meshes[name] != file:
                raise UsageError(f"mesh {file}: its renders would be named {name}, as those of {meshes[name]}")
            meshes[name] = file
    return meshes


def folder_of(to: Path, name: str) -> Path:
    """Return the folder of an object's renders."""
    return to / FOLDER / name


def write(folder: Path, path: Path, mesh: Triangles, args: argparse.Namespace) -> list[str]:
    """Write the seven views of a file's placed mesh and their cameras; return what is odd about them, in words."""
    condition = orbit([args.azimuth], [args.elevation], fov=FOV, radius=RADIUS)
    six = zero123plus_cameras(args.azimuth, args.version, fov=FOV, radius=RADIUS)
    views = [_view(mesh, six, view, args.size) for view in range(6)]
    views = [_view(mesh, condition, 0, args.condition_size), *views]
    # `data: objaverse` needs an outline, of pixels at least half covered, in every view.
    empty = [f"{number:03}" for number, picture in enumerate(views) if picture.rgba[..., 3].max() < 128]
    if empty:
        words = f"nothing of it is to be seen in {', '.join(empty)}"
        raise UsageError(f"mesh {path}: {words}; another --azimuth may show it")
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in reversed(list(enumerate(views))):
        Image.fromarray(picture.rgba).save(folder / f"{number:03}.png")
    (folder / "cameras.json").write_text(json.dumps(_cameras(args, condition, six), indent=1) + "\n")
    cut = [f"{number:03}" for number, picture in enumerate(views) if _touches(picture)]
    return [*mesh.notes, *([f"leaves the image in {', '.join(cut)}"] if cut else [])]


def _view(mesh: Triangles, cameras: Cameras, view: int, side_px: int) -> Picture:
    return render(mesh, cameras.matrices[view].double().numpy(), side_px)


def _touches(picture: Picture) -> bool:
    """Return True if the object touches the image's border."""
    alpha = picture.rgba[..., 3]
    return bool(np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]]).any())


def _cameras(args: argparse.Namespace, condition: Cameras, six: Cameras) -> dict[str, object]:
    """Return the content of cameras.json: for each view azimuth and elevation in degrees, and a 3 x 4 matrix.

    The matrix maps (x, y, z, 1), z up, to depth * (x, y, 1), with x to the right and y down in [0, 1] of the image.
    """
    azimuths = [args.azimuth, *(args.azimuth + step for step in ZERO123PLUS_AZIMUTHS)]
    elevations = [args.elevation, *ZERO123PLUS_ELEVATIONS[args.version]]
    matrices = [*condition.matrices.tolist(), *six.matrices.tolist()]
    views = [{"file": f"{number:03}.png", "azimuth": math.fmod(azimuth, 360), "elevation": elevation, "matrix": matrix}
             for number, (azimuth, elevation, matrix) in enumerate(zip(azimuths, elevations, matrices, strict=True))]
    return {"version": args.version, "fov_degrees": FOV, "distance": RADIUS, "normalise": args.normalise,
            "up": args.up, "views": views}


def add_to_list(to: Path, category: str, name: str) -> None:
    """Add an object to the list file, which is replaced atomically."""
    path = to / LIST
    try:
        listed = json.loads(path.read_text()) if path.is_file() else {}
        if name in [other for names in listed.values() for other in names]:
            return
        listed.setdefault(category, []).append(name)
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{path}: not of the form {{category: [path, ...]}}: {error}") from error
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(listed, indent=1) + "\n")
    partial.replace(path)
