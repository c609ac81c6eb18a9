"""Descriptions of the shipped variants, kept in the user's cache folder: a command that reads knobs imports no variant.

A description may depend on any module: a knob's choices are often another module's table. So it holds for one state of
the whole package, the interpreter and the installed packages, and is made again after any change of these.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness import BEGAN_NS, user_cache
from harness.knobs import Knob

Description = tuple[str, tuple[Knob, ...]]  # a variant's summary and its knobs
TYPES: dict[str, Any] = {str(kind): kind for kind in (
    bool, int, float, str, tuple[bool, ...], tuple[int, ...], tuple[float, ...], tuple[str, ...])}
CLOCK_NS = 2_000_000_000  # the coarsest clock of a file system


def read(kind: str, name: str) -> Description | None:
    """Return a variant's description, None if none is kept that holds for this state of the code."""
    try:
        head, _, body = _path(kind, name).read_text("utf-8").partition("\n")
        return _decode(body) if head == _digest(body) else None
    except (OSError, RuntimeError, ValueError):  # none, no home folder, not a text
        return None


def write(kind: str, name: str, summary: str, knobs: Sequence[Knob]) -> None:
    """Keep a description; do nothing if it cannot be kept exactly, or if this process may have loaded older code."""
    body = json.dumps([summary, [_plain(knob) for knob in knobs]], default=repr)
    if repr(_decode(body)) != repr((summary, tuple(knobs))) or _changed_since_start():
        return
    with suppress(OSError, RuntimeError):
        path = _path(kind, name)
        partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(f"{_digest(body)}\n{body}", "utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _path(kind: str, name: str) -> Path:
    """Return a description's file; two checkouts do not overwrite each other's."""
    place = hashlib.sha256(str(Path(__file__).parent).encode()).hexdigest()[:12]
    return user_cache.folder() / "variants" / place / f"{kind}.{name}.json"


def _plain(knob: Knob) -> dict[str, Any]:
    return {field.name: getattr(knob, field.name) for field in fields(Knob)} | {"type": str(knob.type)}


def _decode(body: str) -> Description:
    summary, entries = json.loads(body)
    return summary, tuple(_knob(entry) for entry in entries)


def _knob(entry: dict[str, Any]) -> Knob:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Knob(**{**values, "type": TYPES.get(entry["type"], entry["type"])})


def _digest(body: str) -> str:
    """Return the hash of a description and of all that decides it: it tells stale and damaged files alike."""
    return hashlib.sha256(f"{_state()}\n{body}".encode()).hexdigest()


@cache
def _state() -> str:
    """Return a text that changes with the package's code, the interpreter, and the packages that are installed."""
    folders = [Path(place) for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    installed = [(str(place), place.stat().st_mtime_ns) for place in folders if place.is_dir()]
    return repr((user_cache.code_hash(), sys.version, sys.flags.optimize, installed))


def _changed_since_start() -> bool:
    """Return True if a module's file is younger than this process, which then may hold older code; or if none is."""
    states = [path.stat() for path in user_cache.code_files()]
    latest = max((max(state.st_mtime_ns, state.st_ctime_ns) for state in states), default=BEGAN_NS)
    return latest > BEGAN_NS - CLOCK_NS
