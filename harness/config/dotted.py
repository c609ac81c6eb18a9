"""Dotted paths such as `fusion.strength`: read a setting of plain data, and compare it with an expected value."""

from collections.abc import Mapping
from typing import Any

from harness.registry import resolve_path


def get(plain: Any, path: str, missing: Any = None) -> Any:
    """Return the setting at a dotted path, ``missing`` if there is none."""
    for word in path.split("."):
        if not isinstance(plain, Mapping) or word not in plain:
            return missing
        plain = plain[word]
    return plain


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return dotted path and value of every setting inside a value."""
    if not isinstance(value, Mapping):
        return [(path, value)]
    return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}" if path else str(key))]


def matches(setting: Any, expected: Any) -> bool:
    """Return whether a setting is the expected one. A choice's name, or a list of losses, matches with any knobs.

    ``expected`` may leave out knobs, but it must name every loss. Lists and tuples are equal.
    """
    if not isinstance(setting, Mapping):
        return bool(_as_lists(setting) == _as_lists(expected))
    if isinstance(expected, list | tuple):
        return set(setting) == set(map(str, expected))
    if not isinstance(expected, Mapping):
        return bool(setting.get("name") == expected)
    items_match = all(key in setting and matches(setting[key], item) for key, item in expected.items())
    is_losses = all(isinstance(knobs, Mapping) for knobs in setting.values())
    return items_match and (not is_losses or len(setting) == len(expected))


def as_resolved(setting: Any, expected: Any) -> Any:
    """Return what is expected of a setting, a path in it spelled as in the setting: absolute, without links."""
    if isinstance(expected, Mapping):
        inner = setting if isinstance(setting, Mapping) else {}
        return {key: as_resolved(inner.get(key), item) for key, item in expected.items()}
    is_path = isinstance(setting, str) and isinstance(expected, str) and setting.startswith("/")
    return setting if is_path and resolve_path(expected) == setting else expected


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, list | tuple) else value
