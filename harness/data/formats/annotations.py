"""Keypoint annotations as people have them: our own table, COCO, DeepLabCut or LabelMe; read alike, checked alike.

Coordinates are pixels of the image as it is seen, from its top left corner. A point outside its image is not used: it
is counted and named in `Annotations.problems`, and enters no normaliser.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from harness.errors import UsageError

Point = tuple[float, float, bool]  # y, x in pixels, visible; NaN where nobody annotated it
Points = dict[str, dict[str, Point]]
MISSING: Point = (math.nan, math.nan, False)
NAMED = 3  # problems that are named one by one; more are counted


@dataclass(frozen=True)
class Annotations:
    """Points by image and keypoint name, the names in order, a hash of the files, and remarks for the user.

    ``places`` names file and line of an image's points, or of one point (image, keypoint). ``sizes_px`` are the sizes
    (rows, columns) that the annotations declare for an image, where they do.
    """

    points: Points = field(default_factory=dict)
    names: tuple[str, ...] = ()
    digest: str = ""
    source: str = ""
    problems: tuple[str, ...] = ()
    places: Mapping[str | tuple[str, str], str] = field(default_factory=dict)
    sizes_px: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Files:
    """The images of a folder, looked up by the names that annotations give them.

    A name matches by its path below the folder, else by its file name if only one image has it. Composed and decomposed
    Unicode spellings of one name match.
    """

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root = root
        self._by_path = {normalize("NFC", file): file for file in files}
        self._by_name: dict[str, list[str]] = {}
        for path, file in self._by_path.items():
            self._by_name.setdefault(PurePosixPath(path).name, []).append(file)

    def find(self, name: str, where: str) -> str:
        """Return the image that ``name`` stands for; raise UsageError naming ``where`` if there is none, or several."""
        path = normalize("NFC", name.strip().replace("\\", "/"))
        if path in self._by_path:
            return self._by_path[path]
        same = self._by_name.get(PurePosixPath(path).name, [])
        if len(same) > 1:
            raise UsageError(f"{where}: {name!r} fits {len(same)} images of {self.root}: "
                             f"{', '.join(sorted(same)[:3])}; write its path")
        if not same:
            raise UsageError(f"{where}: {name!r} is no image in {self.root}")
        return same[0]


def checked(annotations: Annotations, size_px: Callable[[str], tuple[int, int] | None]) -> Annotations:
    """Return annotations without the points that lie outside their image, which are named as problems.

    Args:
        annotations: as a reader returned them.
        size_px: gives an image's (rows, columns) as it is seen, None for one that cannot be opened.

    Raises:
        UsageError: every coordinate lies in [0, 1], or an image has another size than its annotations declare.
    """
    _demand_pixels(annotations, size_px)
    points: Points = {}
    outside: list[str] = []
    for image, named in annotations.points.items():
        place = annotations.places.get(image, annotations.source)
        actual = size_px(image)
        if actual is None:  # the scene that needs the image says so
            points[image] = named
            continue
        rows, columns = actual
        declared = annotations.sizes_px.get(image)
        if declared is not None and declared != actual:
            raise UsageError(f"{place}: {image!r} was annotated at {declared[1]} x {declared[0]} px, but the image has "
                             f"{columns} x {rows} px as it is seen; scale the annotations, or use the original image")
        points[image] = {}
        for name, (y, x, visible) in named.items():
            inside = math.isnan(y) or (0 <= y <= rows and 0 <= x <= columns)
            points[image][name] = (y, x, visible) if inside else MISSING
            if not inside:
                line = annotations.places.get((image, name), place)
                outside.append(f"{line}: {name!r} of {image!r} at x {x:g}, y {y:g} lies outside its image of "
                               f"{columns} x {rows} px")
    problems = list(annotations.problems) + outside[:NAMED]
    if len(outside) > NAMED:
        problems.append(f"{annotations.source}: {len(outside) - NAMED} more points lie outside their images")
    if outside:
        problems.append(f"points outside their image are not scored ({len(outside)} of them)")
    return replace(annotations, points=points, problems=tuple(problems))


def _demand_pixels(annotations: Annotations, size_px: Callable[[str], tuple[int, int] | None]) -> None:
    """Raise UsageError if no coordinate of any point exceeds 1: pixels were expected, shares of a side were given."""
    known = [max(y, x) for named in annotations.points.values() for y, x, _ in named.values() if not math.isnan(y)]
    if len(known) > 1 and max(known) <= 1 and any(max(size_px(image) or (0,)) > 2 for image in annotations.points):
        raise UsageError(f"{annotations.source}: every coordinate lies in [0, 1]; x and y are pixels: multiply them by "
                         "the image's width and height")


def number(text: str, what: str, where: str) -> float:
    """Return a coordinate; NaN for an empty cell; raise UsageError otherwise."""
    text = text.strip()
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: {what} is {text!r}; expected a number of pixels, or nothing") from None


def point(x: float, y: float, visible: bool) -> Point:
    """Return a point; `MISSING` if a coordinate is negative or not finite, which often marks "not annotated"."""
    known = math.isfinite(x) and math.isfinite(y) and min(x, y) >= 0
    return (y, x, visible) if known else MISSING


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without repetition, in order of appearance."""
    return tuple(dict.fromkeys(names))


def digest(contents: Iterable[bytes]) -> str:
    """Return a hash of annotation files."""
    total = hashlib.sha256()
    for content in contents:
        total.update(content)
    return total.hexdigest()
