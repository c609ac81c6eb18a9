"""Descriptions of the shipped variants, kept in the user's cache folder: a command that reads knobs imports no variant.

A description may depend on any module: a knob's choices are often another module's table. So it holds for one state of
the whole package, the interpreter and the installed packages, and is made again after any change of these.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from harness import user_cache
from harness.knobs import Knob

Description = tuple[str, tuple[Knob, ...]]  # a variant's summary and its knobs
TYPES: dict[str, Any] = {str(kind): kind for kind in (
    bool, int, float, str, tuple[bool, ...], tuple[int, ...], tuple[float, ...], tuple[str, ...])}


def read(kind: str, name: str) -> Description | None:
    """Return a variant's description, None if none is kept that holds for this state of the code."""
    body = user_cache.read("variants", f"{kind}.{name}.json")
    return _decode(body) if body else None


def write(kind: str, name: str, summary: str, knobs: Sequence[Knob]) -> None:
    """Keep a description, if it can be kept exactly."""
    body = json.dumps([summary, [_plain(knob) for knob in knobs]], default=repr)
    if repr(_decode(body)) == repr((summary, tuple(knobs))):
        user_cache.write("variants", f"{kind}.{name}.json", body)


def _plain(knob: Knob) -> dict[str, Any]:
    return {field.name: getattr(knob, field.name) for field in fields(Knob)} | {"type": str(knob.type)}


def _decode(body: str) -> Description:
    summary, entries = json.loads(body)
    return summary, tuple(_knob(entry) for entry in entries)


def _knob(entry: dict[str, Any]) -> Knob:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Knob(**{**values, "type": TYPES.get(entry["type"], entry["type"])})
