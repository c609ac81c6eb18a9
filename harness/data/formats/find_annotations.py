"""Which annotation file a folder of photographs has, and which reader fits it."""

from pathlib import Path

from harness.data.formats import coco, deeplabcut, labelme, own_table
from harness.data.formats.annotations import Annotations, Files
from harness.data.formats.json_labels import parse_json, read_bytes
from harness.data.formats.photo_folder import files_in
from harness.errors import UsageError

TABLE = "keypoints.csv"
FORMATS = ("auto", "table", "coco", "deeplabcut", "labelme")
LARGEST_GUESS = 2**24  # bytes of a JSON file that is opened to see whether it is an annotation file


def read_annotations(root: Path, files: Files, name: str = "", kind: str = "auto") -> Annotations:
    """Return the keypoints of a folder's images; empty if it has no annotation file.

    Args:
        root: the folder.
        files: its images.
        name: the annotation file below the folder, or for LabelMe a folder of JSON files; "" looks for one.
        kind: its format, one of `FORMATS`; "auto" looks into the file.

    Raises:
        UsageError: the file is missing, fits no format, or several files fit.
    """
    if name:
        path = root / name
        if not path.exists():
            raise UsageError(f"data.annotations: there is no {path}")
        return _read(path, files, _kind(path) if kind == "auto" else kind)
    paths = [root / file for file in files_in(root, (".csv", ".json"))]
    candidates = [(path, fitting) for path in paths
                  if (fitting := _kind(path, guess=True)) and kind in ("auto", fitting)]
    kinds = {fitting for _, fitting in candidates}
    if kinds == {"labelme"}:
        return labelme.read([path for path, _ in candidates], files)
    if len(candidates) > 1:
        named = ", ".join(f"{path.relative_to(root)} ({fitting})" for path, fitting in candidates[:4])
        raise UsageError(f"data folder {root}: {len(candidates)} annotation files: {named}; name one in "
                         "data.annotations")
    if not candidates:
        if kind != "auto":
            raise UsageError(f"data folder {root}: no annotation file of the format {kind!r}; name it in "
                             "data.annotations")
        return Annotations()
    ((path, fitting),) = candidates
    return _read(path, files, fitting)


def _read(path: Path, files: Files, kind: str) -> Annotations:
    if kind == "labelme":
        return labelme.read(sorted(path.rglob("*.json")) if path.is_dir() else [path], files)
    readers = {"table": own_table.read, "coco": coco.read, "deeplabcut": deeplabcut.read}
    if kind not in readers:
        raise UsageError(f"data.annotations: {path} is no keypoint table, COCO, DeepLabCut or LabelMe file; name its "
                         "format in data.annotations_format")
    return readers[kind](path, files)


def _kind(path: Path, *, guess: bool = False) -> str:
    """Return the format of a file, "" if none fits; a guess takes only our own table's name for our own table."""
    if path.is_dir():
        return "labelme"
    if path.suffix.lower() == ".csv":
        if deeplabcut.is_deeplabcut(path):
            return "deeplabcut"
        return "table" if not guess or path.name.lower() == TABLE else ""
    if path.suffix.lower() != ".json" or (guess and path.stat().st_size > LARGEST_GUESS and _large(path)):
        return ""
    try:
        document = parse_json(read_bytes(path, "your annotations"), path)
    except UsageError:
        if guess:
            return ""
        raise
    return "coco" if coco.is_coco(document) else "labelme" if labelme.is_labelme(document) else ""


def _large(path: Path) -> bool:
    """Return whether a large JSON file shows no sign of keypoints in its first megabyte."""
    with path.open("rb") as file:
        return b"keypoints" not in file.read(2**20)
