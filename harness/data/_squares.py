"""Labels that are known for a square image of a fixed side, whatever the side of the file."""

from pathlib import Path

from harness.data._images import size_px
from harness.data._photos import Label
from harness.errors import UsageError


def scaled(label: Label, path: Path, side: float) -> Label:
    """Return a label for an image ``side`` wide and high in pixels of its file; reads the file's header.

    Raises UsageError naming a labelled image that is not square: nothing says where its points lie.
    """
    rows, columns = size_px(path)
    if rows != columns and label.visible.any():
        raise UsageError(f"image {path}: {columns} x {rows} px, but its keypoints are those of a square image")
    factor = max(rows, columns) / side
    return Label(label.points_yx_px * factor, label.visible, label.box_px * factor, label.normaliser_px * factor)
