"""LabelMe's annotations: one JSON file per image, each point a shape with a label.

Source: github.com/wkentaro/labelme, the JSON that it saves: shapes, imagePath, imageHeight, imageWidth.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.formats.annotations import Annotations, Files, Points, digest, in_order, point
from harness.data.formats.json_labels import parse_json, read_bytes
from harness.errors import UsageError


def is_labelme(document: Any) -> bool:
    """Return whether a JSON document is LabelMe's."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def read(paths: Sequence[Path], files: Files) -> Annotations:
    """Return the points of a folder's JSON files; every labelled point is visible; other shapes are left out.

    Raises UsageError naming the file, and for a label that one image has twice.
    """
    points: Points = {}
    places: dict[str | tuple[str, str], str] = {}
    sizes_px: dict[str, tuple[int, int]] = {}
    contents, others = [], 0
    for path in paths:
        contents.append(read_bytes(path, "your annotations"))
        document = parse_json(contents[-1], path)
        if not is_labelme(document):
            raise UsageError(f"{path}: not a LabelMe file: it needs shapes and imagePath")
        image = _image(path, str(document["imagePath"]), files)
        if image in points:
            raise UsageError(f"{path}: {image!r} has annotations in {places[image]} too")
        points[image], places[image] = {}, str(path)
        if isinstance(document.get("imageHeight"), int) and isinstance(document.get("imageWidth"), int):
            sizes_px[image] = document["imageHeight"], document["imageWidth"]
        for shape in document["shapes"]:
            name, place = _point(shape, path)
            if place is None:
                others += 1
            elif name in points[image]:
                raise UsageError(f"{path}: label {name!r} is listed twice; one object per image is needed")
            else:
                points[image][name] = point(place[0], place[1], True)
    names = in_order(name for named in points.values() for name in named)
    source = str(paths[0].parent) if paths else ""
    remark = (f"{source}: {others} shapes that are no points are not used",) if others else ()
    return Annotations(points, names, digest(contents), source, remark, places, sizes_px)


def _image(path: Path, name: str, files: Files) -> str:
    """Return the image of a JSON file: beside it, else wherever it lies in the folder."""
    beside = path.parent.relative_to(files.root) / name.replace("\\", "/").rpartition("/")[2]
    try:
        return files.find(beside.as_posix(), str(path))
    except UsageError:
        return files.find(name, str(path))


def _point(shape: Any, path: Path) -> tuple[str, tuple[float, float] | None]:
    """Return a shape's label and its (x, y), None for a shape that is no point."""
    if not isinstance(shape, Mapping) or not isinstance(shape.get("label"), str):
        raise UsageError(f"{path}: a shape has no label")
    if shape.get("shape_type", "point") != "point":
        return shape["label"], None
    places = shape.get("points")
    try:
        ((x, y),) = places  # type: ignore[misc]
        return shape["label"].strip(), (float(x), float(y))
    except (TypeError, ValueError):
        raise UsageError(f"{path}: the point {shape['label']!r} needs one pair of numbers, has {places!r}") from None
