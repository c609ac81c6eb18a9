"""Texts in the user's cache folder that one state of the code made, and that state: none may outlive a change of it."""

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from harness._began import BEGAN_NS

PACKAGE = Path(__file__).parent
CLOCK_NS = 2_000_000_000  # the coarsest clock of a file system


def folder() -> Path:
    """Return the cache folder: HARNESS_CACHE, or the user's cache folder."""
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


def read(kind: str, name: str, made_by: str = "") -> str:
    """Return the text that was written with the same ``made_by`` in this state of the code; "" if there is none."""
    try:
        head, _, text = _path(kind, name).read_text("utf-8").partition("\n")
        return text if head == _digest(text, made_by) else ""
    except (OSError, RuntimeError, ValueError):  # none, no home folder, damaged; a module that cannot be read
        return ""


def write(kind: str, name: str, text: str, made_by: str = "") -> None:
    """Keep a text; do nothing if the folder cannot be written, or if this process may have loaded older code."""
    with suppress(OSError, RuntimeError):
        if changed_since_start():
            return
        path = _path(kind, name)
        partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(f"{_digest(text, made_by)}\n{text}", "utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def code_hash() -> str:
    """Return a hash of the package's modules; equal hashes on two machines mean equal code."""
    digest = hashlib.sha256()
    for path in modules(PACKAGE):
        digest.update(os.fsencode(path.relative_to(PACKAGE).as_posix()) + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def modules(top: Path) -> list[Path]:
    """Return a folder's modules, those in linked folders too; an editor's lock, a link to nothing, is no module."""
    files: list[Path] = []
    walked = set()
    for folder, inner, names in os.walk(top, followlinks=True):
        if (place := os.path.realpath(folder)) in walked:  # a loop of links
            inner.clear()
            continue
        walked.add(place)
        inner.sort()
        files += [path for name in names if name.endswith(".py") and (path := Path(folder, name)).is_file()]
    return sorted(files)


def _path(kind: str, name: str) -> Path:
    """Return a text's file; two checkouts do not overwrite each other's."""
    return folder() / kind / hashlib.sha256(os.fsencode(PACKAGE)).hexdigest()[:12] / name


def _digest(text: str, made_by: str) -> str:
    """Return the hash of a text and of all that decides it: it tells stale and damaged files alike."""
    return hashlib.sha256(f"{_code_state()}\n{made_by}\n{text}".encode()).hexdigest()


@cache
def _code_state() -> str:
    """Return a text that changes with the package's code, the interpreter, and the packages that are installed."""
    folders = [Path(place) for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    installed = [(str(place), place.stat().st_mtime_ns) for place in folders if place.is_dir()]
    return repr((code_hash(), sys.version, sys.flags.optimize, installed))


def changed_since_start() -> bool:
    """Return True if a module's file is younger than this process, which then may hold older code; or if none is."""
    states = [path.stat() for path in modules(PACKAGE)]
    latest = max((max(state.st_mtime_ns, state.st_ctime_ns) for state in states), default=BEGAN_NS)
    return latest > BEGAN_NS - CLOCK_NS
