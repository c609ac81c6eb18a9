"""The files of a folder of photographs: linked folders are followed, hidden files and folders left out."""

import os
from pathlib import Path

SYSTEM = ("__MACOSX", "Thumbs.db", "desktop.ini")


def files_in(root: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Return the paths below ``root``, with forward slashes and sorted, of the files with one of these suffixes.

    A name that begins with a dot (``._x.jpg``, ``.ipynb_checkpoints``) is hidden. A link back to a folder above itself
    is not followed.
    """
    paths: list[str] = []
    # Of each folder, the real folders on the way to it.
    above: dict[Path, tuple[str, ...]] = {root: (os.path.realpath(root),)}
    for place, folders, names in os.walk(root, followlinks=True):
        folder = Path(place)
        for name in [name for name in folders if not _hidden(name)]:
            real = os.path.realpath(folder / name)
            if real not in above[folder]:
                above[folder / name] = (*above[folder], real)
        folders[:] = [name for name in folders if folder / name in above]
        paths += [(folder / name).relative_to(root).as_posix() for name in names
                  if not _hidden(name) and name.lower().endswith(suffixes)]
    return sorted(paths)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM
