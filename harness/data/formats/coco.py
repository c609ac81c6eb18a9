"""COCO keypoint annotations: one JSON file with images, annotations and categories.

Source: cocodataset.org, format-data: ``keypoints`` is [x1, y1, v1, ...] with v 0 not labelled, 1 labelled but not
visible, 2 labelled and visible.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.formats.annotations import MISSING, Annotations, Files, Point, Points, digest, point
from harness.data.formats.json_labels import parse_json, read_bytes
from harness.errors import UsageError


def is_coco(document: Any) -> bool:
    """Return whether a JSON document has COCO's three lists, with keypoints."""
    return isinstance(document, dict) and all(isinstance(document.get(key), list) for key in
                                              ("images", "annotations", "categories"))


def read(path: Path, files: Files) -> Annotations:
    """Return the points of the one category that has keypoints.

    Of several objects in one image the one with the most labelled keypoints is taken, the larger box of equals; a
    remark says so. Raises UsageError naming the file and the entry.
    """
    content = read_bytes(path, "your annotations")
    document = parse_json(content, path)
    if not is_coco(document):
        raise UsageError(f"{path}: not a COCO file: it needs the lists images, annotations and categories")
    category, names = _category(path, document["categories"])
    images = {_identity(entry.get("id"), f"{path}: an image"): entry
              for entry in document["images"] if isinstance(entry, dict)}
    best: dict[Any, Mapping[str, Any]] = {}
    crowded = set()
    for entry in document["annotations"]:
        if not isinstance(entry, dict) or entry.get("category_id") != category or entry.get("iscrowd"):
            continue
        image = _identity(entry.get("image_id"), f"{path}, annotation {entry.get('id')}: its image")
        if image not in images:
            raise UsageError(f"{path}: annotation {entry.get('id')} is of image {image}, which the file does not list")
        crowded |= {image} if image in best else set()
        if image not in best or _weight(entry) > _weight(best[image]):
            best[image] = entry
    points: Points = {}
    sizes_px: dict[str, tuple[int, int]] = {}
    places: dict[str | tuple[str, str], str] = {}
    for image, entry in best.items():
        where = f"{path}, annotation {entry.get('id')}"
        listed = images[image]
        file = files.find(str(listed.get("file_name", "")), where)
        points[file], places[file] = _keypoints(entry, names, where), where
        if isinstance(listed.get("height"), int) and isinstance(listed.get("width"), int):
            sizes_px[file] = listed["height"], listed["width"]
    remark = (f"{path}: {len(crowded)} images have several annotated objects; the one with the most keypoints is used",)
    return Annotations(points, names, digest([content]), str(path), remark if crowded else (), places, sizes_px)


def _identity(value: Any, what: str) -> str | int | float | None:
    """Return an id; raise UsageError if it is neither number nor text."""
    if value is not None and not isinstance(value, str | int | float):
        raise UsageError(f"{what} has the id {value!r}; an id is a number or a text")
    return value


def _category(path: Path, categories: list[Any]) -> tuple[Any, tuple[str, ...]]:
    """Return the id and the keypoint names of the one category that has keypoints."""
    fitting = [entry for entry in categories if isinstance(entry, dict) and entry.get("keypoints")]
    if len(fitting) != 1:
        named = ", ".join(repr(entry.get("name")) for entry in fitting)
        raise UsageError(f"{path}: {len(fitting)} categories have keypoints{f' ({named})' if named else ''}; one is "
                         "needed")
    if not isinstance(fitting[0]["keypoints"], list):
        raise UsageError(f"{path}: category {fitting[0].get('name')!r}: keypoints is no list of names")
    names = tuple(map(str, fitting[0]["keypoints"]))
    if len(set(names)) < len(names):
        raise UsageError(f"{path}: category {fitting[0].get('name')!r} has a keypoint name twice")
    return fitting[0].get("id"), names


def _keypoints(entry: Mapping[str, Any], names: tuple[str, ...], where: str) -> dict[str, Point]:
    values = entry.get("keypoints")
    if not isinstance(values, list) or len(values) != 3 * len(names):
        count = len(values) if isinstance(values, list) else 0
        raise UsageError(f"{where}: {count} numbers in keypoints, expected {3 * len(names)} (x, y, v of {len(names)})")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise UsageError(f"{where}: keypoints must be numbers")
    triples = zip(values[::3], values[1::3], values[2::3], strict=True)
    return {name: point(float(x), float(y), v == 2) if v else MISSING
            for name, (x, y, v) in zip(names, triples, strict=True)}


def _weight(entry: Mapping[str, Any]) -> tuple[int, float]:
    """Return how many keypoints are labelled, and the area of the box."""
    values, box = entry.get("keypoints"), entry.get("bbox")
    labelled = sum(bool(value) for value in values[2::3]) if isinstance(values, list) else 0
    sides = box[2:4] if isinstance(box, list) and len(box) == 4 else (0, 0)
    return labelled, float(sides[0] * sides[1]) if all(isinstance(side, int | float) for side in sides) else 0.0
