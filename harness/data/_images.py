"""Image files on disk: find them in their folder, and open them in any mode."""

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.errors import UsageError

GREY = 127
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def data_root(name: str, root: str, source: str) -> Path:
    """Return a dataset's folder: ``root``, else ``name`` in HARNESS_DATA; UsageError says where to get the data."""
    shelf = os.environ.get("HARNESS_DATA", "")
    folder = Path(root).expanduser() if root else Path(shelf).expanduser() / name if shelf else None
    if folder is None:
        raise UsageError(f"data {name!r}: no folder named; set data.root, or HARNESS_DATA to the folder that holds "
                         f"{name!r}; get it from {source}")
    if not folder.is_dir():
        raise UsageError(f"data {name!r}: there is no folder {folder} (data.root, else {name!r} in HARNESS_DATA); get "
                         f"it from {source}")
    return folder


def require_files(folder: Path, names: Iterable[str], source: str) -> None:
    """Raise UsageError for the first of these files or folders that is missing."""
    for name in names:
        if not (folder / name).exists():
            raise UsageError(f"data folder {folder}: {name} is missing; get it from {source}")


def path_inside(root: Path, name: str, listed_in: str) -> str:
    """Return a listed file's relative path with forward slashes; raise UsageError if it leads out of the root."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).is_absolute() or not path.parts:
        raise UsageError(f"{listed_in}: {name!r} leads out of {root}")
    return path.as_posix()


def file_sizes(root: Path, names: Sequence[str], listed_in: str) -> list[int]:
    """Return the files' sizes in bytes; raise UsageError with the first missing or empty one and their number.

    Lists each folder once: a second for 100,000 files, where one `stat` per file takes minutes on a network disk.
    """
    sizes_by_folder: dict[str, dict[str, int]] = {}
    sizes = []
    for name in names:
        folder, _, last = name.rpartition("/")
        if folder not in sizes_by_folder:
            sizes_by_folder[folder] = _sizes_in(root / folder)
        sizes.append(sizes_by_folder[folder].get(last, -1))
    for problem, bad in (("missing", -1), ("empty", 0)):
        if wrong := [name for name, size in zip(names, sizes, strict=True) if size == bad]:
            count = f" ({len(wrong)} of {len(names)} images are)" if len(names) > 1 else ""
            raise UsageError(f"image {root / wrong[0]}: {problem}, listed in {listed_in}{count}")
    return sizes


def _sizes_in(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file; an error inside the block becomes a UsageError that names the file.

    Pillow's warnings, of odd tags and of large images, are hidden: they name no file.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as file:
            yield file
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "empty" if path.is_file() and path.stat().st_size == 0 else str(error).split("\n")[0]
        raise UsageError(f"image {path}: cannot be read: {reason}") from error


def open_rgb(path: Path, background: int = GREY) -> Image.Image:
    """Return an image after its EXIF rotation, in RGB, transparent parts over a uniform grey.

    Greyscale, palette and 16-bit images are converted. Raises UsageError naming a file that is no image or truncated.
    """
    with open_image(path) as file:
        file.load()
        image = ImageOps.exif_transpose(file)
    if image.mode == "F":
        image = _from_float(image, path)
    if image.mode.startswith("I"):  # 16 bits, which convert() would clip
        image = Image.fromarray((np.asarray(image, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        import torch  # here, as what lists a folder's files needs no tensor

        from harness.data._pixels import on_grey

        rgba = torch.from_numpy(np.array(image.convert("RGBA")))
        return Image.fromarray(on_grey(rgba, background).numpy())
    return image.convert("RGB")


def _from_float(image: Image.Image, path: Path) -> Image.Image:
    """Return a float image in 8 bits: values of [0, 1] are scaled, values up to 255 taken as they are."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= 255:
        raise UsageError(f"image {path}: float pixels from {low:g} to {high:g}; expected [0, 1] or [0, 255]")
    return Image.fromarray((values * (255 if high <= 1 else 1)).round().astype(np.uint8))


def size_px(path: Path) -> tuple[int, int]:
    """Return an image's (rows, columns) after its EXIF rotation, from its header alone."""
    with open_image(path) as file:
        columns, rows = file.size
        is_rotated = file.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientations that swap rows and columns
    return (columns, rows) if is_rotated else (rows, columns)


def size_or_none(path: Path) -> tuple[int, int] | None:
    """Return an image's (rows, columns), None if it cannot be opened: whoever needs the image says why."""
    try:
        return size_px(path)
    except UsageError:
        return None


def square_around(box_px: NDArray[np.number], margin: float = 0.0) -> tuple[float, float, float]:
    """Return (top, left, side) of the smallest square around a box (top, left, bottom, right), with the same centre.

    ``margin`` is added on each side, in units of the box's longer side.
    """
    top, left, bottom, right = (float(edge) for edge in box_px)
    side = max(bottom - top, right - left) * (1 + 2 * margin)
    return (top + bottom - side) / 2, (left + right - side) / 2, side
