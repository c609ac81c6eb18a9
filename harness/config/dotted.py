"""Dotted paths into plain settings, such as `fusion.strength`: what stands there, and whether it is what was meant."""

from collections.abc import Mapping
from typing import Any


def at(plain: Any, path: str, missing: Any = None) -> Any:
    """Return the setting at a dotted path, ``missing`` where there is none."""
    for word in path.split("."):
        if not isinstance(plain, Mapping) or word not in plain:
            return missing
        plain = plain[word]
    return plain


def is_meant(found: Any, wanted: Any) -> bool:
    """Return whether a setting is the wanted one: a name stands for a choice, names for losses, whatever their knobs.

    Of knobs, any may be left out; of losses, none but the wanted may act. Lists and tuples are the same.
    """
    if not isinstance(found, Mapping):
        return bool(_listed(found) == _listed(wanted))
    if isinstance(wanted, list | tuple):
        return set(found) == set(map(str, wanted))
    if not isinstance(wanted, Mapping):
        return bool(found.get("name") == wanted)
    known = all(key in found and is_meant(found[key], item) for key, item in wanted.items())
    losses = all(isinstance(knobs, Mapping) for knobs in found.values())
    return known and (not losses or len(found) == len(wanted))


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
