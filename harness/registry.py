"""Find, describe and build the variants of a kind: the file name is the variant's name.

A variant is one file in the folder of its kind. It holds one frozen dataclass that derives from the kind's base class.
The dataclass's fields are the variant's knobs, each declared with `knob`. Files that start with ``_`` are helpers.
Other packages add variants through entry points in the group ``harness.<kind>`` that name such a module.
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import descriptions
from harness.errors import UsageError, nearest
from harness.knobs import Knob, knob, knobs_of, resolve_path

__all__ = ["BY_PATH", "KINDS", "PACKAGES", "Knob", "Variant", "build", "forget", "knob", "knobs_of", "names",
           "resolve_path", "settings", "variant", "variants"]

PACKAGES = {  # the package of each kind; YAML, the command `list` and entry points use the kind's name
    "data": "harness.data", "models": "harness.models",
    "fusion": "harness.method.fusion", "losses": "harness.method.losses",
    "selection": "harness.method.selection", "metrics": "harness.method.metrics",
    "search.samplers": "harness.search.samplers", "search.pruners": "harness.search.pruners",
}
KINDS = tuple(PACKAGES)
BY_PATH = {"models": "{name: sd15, path: %s}", "data": "{name: folder, root: %s}"}  # variants that open any folder


@dataclass(frozen=True)
class Variant:
    """A variant of a kind: its name, the first line of its module's docstring, and its knobs."""

    kind: str
    name: str
    summary: str
    knobs: tuple[Knob, ...]

    @property
    def cls(self) -> type[Any]:
        """The variant's class; imports its module."""
        return _class_of(_module(self.kind, self.name), self.kind)


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind's variants, sorted, without importing them."""
    return tuple(sorted({*_shipped(kind), *_installed(kind)}))


@cache
def variant(kind: str, name: str) -> Variant:
    """Return a variant; raise UsageError with the nearest name if there is none of this name.

    Its module is imported only if no description of it is kept: that costs PyTorch's import.
    """
    if name not in names(kind):
        is_path = kind in BY_PATH and any(mark in name for mark in "/\\~")
        hint = f"; a path stands in a knob: {BY_PATH[kind] % name};" if is_path else ""
        raise UsageError(f"{kind}: unknown variant {name!r}{hint}{nearest(name, names(kind))}".replace(";;", ";"))
    entry = _installed(kind).get(name)
    if entry and name in _shipped(kind):
        raise UsageError(f"{kind}: the entry point {name!r} ({entry.value}) has a shipped variant's name; rename it")
    is_own = _is_own(kind, name)
    described = descriptions.read(kind, name) if is_own and f"{PACKAGES[kind]}.{name}" not in sys.modules else None
    if described is None:
        module = _module(kind, name)
        described = (inspect.getdoc(module) or "").split("\n")[0], knobs_of(_class_of(module, kind))
        if is_own:
            descriptions.write(kind, name, *described)
    return Variant(kind, name, *described)


def variants(kind: str) -> tuple[Variant, ...]:
    """Return every variant of a kind.

    Args:
        kind: one of `KINDS`.

    Returns:
        The variants of this package and of installed extensions, sorted by name.

    Raises:
        UsageError: an extension's variant has the name of a shipped one.
        TypeError: a variant's module does not hold exactly one class of its kind.

    Example:
        >>> [pruner.name for pruner in variants("search.pruners")]
        ['hyperband', 'median', 'none', 'wilcoxon']
    """
    return tuple(variant(kind, name) for name in names(kind))


def settings(kind: str, name: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return all knobs of a variant: checked ``values``, else defaults; raise UsageError for an invalid one."""
    knobs = {k.name: k for k in variant(kind, name).knobs}
    for key in values:
        if key not in knobs:
            raise UsageError(f"{where}: {kind} {name!r} has no knob {key!r}{nearest(str(key), knobs)}")
    return {key: k.check(values[key], f"{where}.{key}") if key in values else k.default for key, k in knobs.items()}


def build(kind: str, name: str, values: Mapping[str, Any] | None = None) -> Any:
    """Build a variant: import its class and create an instance.

    Args:
        kind: one of `KINDS`.
        name: the variant's name.
        values: knobs by name; the others keep their defaults.

    Returns:
        The instance of the variant's dataclass.

    Raises:
        UsageError: no such variant or knob, or a value outside the knob's range or choices.

    Example:
        >>> build("fusion", "blend", {"alpha": 0.5}).alpha
        0.5
        >>> build("fusion", "blend", {"alpha": 2.0})
        Traceback (most recent call last):
        harness.errors.UsageError: fusion.blend.alpha: 2.0 is out of range; expected in [0, 1]
    """
    return variant(kind, name).cls(**settings(kind, name, values or {}, f"{kind}.{name}"))


def forget() -> None:
    """Forget which variants there are, such as after a package with entry points was installed."""
    for cached in (names, variant, _shipped, _installed, _all_installed):
        cached.cache_clear()


@cache
def _shipped(kind: str) -> tuple[str, ...]:
    package = importlib.import_module(PACKAGES[kind])
    modules = pkgutil.iter_modules(package.__path__)
    return tuple(m.name for m in modules if not (m.ispkg or m.name == "base" or m.name.startswith("_")))


@cache
def _installed(kind: str) -> dict[str, Any]:
    """Return entry points by name; their class depends on Python's version, and on a backport if one is imported."""
    return {entry.name: entry for entry in _all_installed().select(group=f"harness.{kind}")}


@cache
def _all_installed() -> Any:
    return entry_points()  # reads a file of every installed package


def _module(kind: str, name: str) -> ModuleType:
    entry = _installed(kind).get(name)
    module: ModuleType = entry.load() if entry else importlib.import_module(f"{PACKAGES[kind]}.{name}")
    return module


def _is_own(kind: str, name: str) -> bool:
    """Return True if a variant's file lies in this package: not an entry point's, nor in a folder added to the path."""
    folder = Path(__file__).parents[1].joinpath(*PACKAGES[kind].split("."))
    return name not in _installed(kind) and (folder / f"{name}.py").is_file()


def _class_of(module: ModuleType, kind: str) -> type[Any]:
    base = importlib.import_module(f"{PACKAGES[kind]}.base")
    classes = [
        cls for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, base.BASE)
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must hold one class deriving from {base.BASE.__name__}, has {classes}")
    return classes[0]
