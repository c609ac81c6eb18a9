"""Folders that are there whole or not at all, whatever dies while they are written."""

import os
import shutil
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (name to content) as folder ``target``, replacing one that is there.

    The files go to a hidden sibling, each forced to disk, and the sibling is renamed. A process killed at any point
    leaves the old folder, the new one, or a hidden leftover that `recover` resolves.
    """
    make_folder(target.parent)
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        written = [_writers().submit(write_file, new / name, content) for name, content in files.items()]
        wait(written)  # all of them, before anything is put away
        for each in written:
            each.result()
        _flush(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
        _flush(target.parent)
    finally:
        recover_one(target)


@cache
def _writers() -> ThreadPoolExecutor:
    """Return threads that force files to disk together, which takes a third of the time."""
    return ThreadPoolExecutor(8, "harness-disk")


def write_file(path: Path, content: bytes) -> None:
    """Write one file and force it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one."""
    make_folder(path.parent)
    new = path.with_name(f".{path.name}.new")
    write_file(new, content)
    new.replace(path)
    _flush(path.parent)


def put_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one; a power cut may lose both."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, each entry forced to disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def size_of(path: str) -> int:
    """Return a file's size, -1 where there is no file; a report asks for tens of thousands, so no `Path` is made."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def recover_one(target: Path) -> None:
    """Resolve what a killed `write_folder` left: put the old folder back or remove it; drop a torn new one."""
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    for leftover in (old, new):
        if leftover.exists():
            shutil.rmtree(leftover, ignore_errors=True)


def recover(parent: Path) -> None:
    """Resolve every leftover in a folder; only for the process that alone writes there."""
    for leftover in parent.glob(".*"):
        if leftover.suffix in (".new", ".old") and leftover.is_dir():
            recover_one(parent / leftover.stem[1:])


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
