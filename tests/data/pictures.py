"""Tiny images for trees in the layouts of real datasets."""

from pathlib import Path

from PIL import Image

ORIENTATION = 0x0112  # EXIF


def picture(path: Path, size: tuple[int, int] = (20, 10), mode: str = "RGB") -> Path:
    """Write an image of ``size`` (width, height) with one white pixel in its upper left corner; nothing where 0 wide.

    ``mode`` is one of PIL's, or ``turned``: the same to look at, stored on its side with an EXIF orientation.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not size[0]:
        path.write_bytes(b"")
        return path
    image = Image.new("RGB", size)
    image.putpixel((0, 0), (255, 255, 255))
    if mode == "turned":
        exif = Image.Exif()
        exif[ORIENTATION] = 6  # turn clockwise to view
        image.transpose(Image.Transpose.ROTATE_90).save(path, _format(path), exif=exif)
    else:
        image.convert(mode).save(path, _format(path, mode))
    return path


def tear(path: Path) -> None:
    """Cut a file off in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _format(path: Path, mode: str = "RGB") -> str:
    """Return the file's format; JPEG has no transparency, but users' files are not always what their name says."""
    return "PNG" if mode in ("RGBA", "I;16") or path.suffix == ".png" else "JPEG"
