"""HDF5 files, opened for reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UsageError


@contextmanager
def open_h5(path: Path) -> Iterator[Any]:
    """Open a file for reading; raise UsageError if h5py is missing or the file is not HDF5."""
    try:
        import h5py
    except ImportError:
        raise UsageError(f"{path}: reading it takes h5py: pip install -e '.[data]'") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as HDF5: {str(error).splitlines()[0]}") from None
    with file:
        yield file
