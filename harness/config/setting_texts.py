"""Settings of plain data as short texts: of two values of one name only the knobs that tell them apart."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

from harness.config.dotted import leaves

ABSENT = "\N{EM DASH}"
_encode = json.JSONEncoder(sort_keys=True, default=list).encode


def canonical(value: Any) -> str:
    """Return a text that is equal for equal settings, also after a round trip through JSON."""
    return _encode(value)


def texts_of(values: Sequence[Any]) -> list[str]:
    """Return one setting's values as texts; of a mapping only the knobs that differ."""
    mappings = [value for value in values if isinstance(value, Mapping)]
    same = bool(values) and len(mappings) == len(values)
    shared = set.intersection(*(set(value) for value in mappings)) if same else set()
    leaves_by_kind: dict[Any, dict[str, set[str]]] = {}
    for value in mappings:
        by_path = leaves_by_kind.setdefault(_kind(value), {})
        for path, leaf in leaves(value):
            by_path.setdefault(path, set()).add(canonical(leaf))
    # A knob that only some values of a kind have differs too.
    counts = Counter(_kind(value) for value in mappings)
    present = Counter((_kind(value), path) for value in mappings for path, _ in leaves(value))
    differing = {kind: {path for path, texts in by_path.items()
                        if len(texts) > 1 or present[kind, path] < counts[kind]}
                 for kind, by_path in leaves_by_kind.items()}
    texts = [_text(value, differing.get(_kind(value), set()), shared) for value in values]
    if len(set(texts)) < len(set(map(canonical, values))):  # floats that are equal when rounded
        texts = [_text(value, differing.get(_kind(value), set()), shared, exact=True) for value in values]
    return texts


def _text(value: Any, differing: Set[str] = frozenset(), shared: Set[str] = frozenset(), *, exact: bool = False) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    if not isinstance(value, Mapping):
        return f"{value:g}" if isinstance(value, float) and not exact else str(value)
    knobs = [f"{path}={_text(leaf, exact=exact)}" for path, leaf in leaves(value) if path in differing]
    if "name" in value:
        return " ".join([str(value["name"]), *knobs])
    names = [name for name in value if name not in shared] or list(value)
    prefix = f"{names[0]}." if len(names) == 1 else ""
    return " ".join([" + ".join(names), *(text.removeprefix(prefix) for text in knobs)])


def _kind(value: Any) -> Any:
    """Return a value's variant without knobs: its name, or the set of its losses."""
    if not isinstance(value, Mapping):
        return None
    return value["name"] if "name" in value else frozenset(value)


def without(value: Any, paths: Sequence[str]) -> Any:
    """Return a value without the settings at these dotted paths."""
    if not isinstance(value, Mapping):
        return value
    inner = {key: [path.removeprefix(f"{key}.") for path in paths if path.startswith(f"{key}.")] for key in value}
    return {key: without(item, inner[key]) for key, item in value.items() if key not in paths}
