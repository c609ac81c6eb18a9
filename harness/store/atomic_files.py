"""Atomic writes: after a crash a folder or file is the old one or the new one, never half of it."""

import os
import shutil
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (name to content) as folder ``target``; an existing one is replaced.

    The files go to a hidden sibling folder. Each is synced to disk, then the sibling is renamed. A process killed at
    any point leaves the old folder, the new one, or a hidden leftover that `recover` resolves.
    """
    make_folder(target.parent)
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        writes = [_writers().submit(write_file, new / name, content) for name, content in files.items()]
        wait(writes)  # all of them, before a folder is renamed
        for write in writes:
            write.result()
        _sync_folder(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
        _sync_folder(target.parent)
    finally:
        recover_one(target)


def replace_folder_unsynced(target: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write ``files`` (name to content, or to a file that is linked or copied) as folder ``target``, as a whole.

    For what can be made again: nothing is synced to disk. Only one process may write in the parent folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        for name, content in files.items():
            if isinstance(content, Path):
                _link_or_copy(content, new / name)
            else:
                (new / name).write_bytes(content)
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        recover_one(target)


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a second name for a file; a copy where the file system has no links or is another one."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


@cache
def _writers() -> ThreadPoolExecutor:
    """Return threads that sync several files at once, in a third of the time."""
    return ThreadPoolExecutor(8, "harness-disk")


def write_file(path: Path, content: bytes) -> None:
    """Write one file and sync it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, also after a power cut."""
    make_folder(path.parent)
    new = path.with_name(f".{path.name}.new")
    write_file(new, content)
    new.replace(path)
    _sync_folder(path.parent)


def replace_file_unsynced(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one; after a power cut perhaps neither."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, and sync each entry to disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def size_of(path: str) -> int:
    """Return a file's size, -1 if it is no file. Takes no `Path`: a report asks for tens of thousands of sizes."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def recover_one(target: Path) -> None:
    """Resolve the leftovers of a killed `write_folder`: restore or remove the old folder, remove a partial new one."""
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    for leftover in (old, new):
        if leftover.exists():
            shutil.rmtree(leftover, ignore_errors=True)


def recover(parent: Path) -> None:
    """Resolve every leftover in a folder; only for the one process that writes there."""
    for leftover in parent.glob(".*"):
        if leftover.suffix in (".new", ".old") and leftover.is_dir():
            recover_one(parent / leftover.stem[1:])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
