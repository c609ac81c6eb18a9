"""Find, describe and build the variants of a kind: the file name is the variant's name.

A variant is one file in the folder of its kind that holds one frozen dataclass deriving from the kind's base class. Its
fields are its knobs, each declared with `knob` where it stands. Files that start with ``_`` are helpers. Other packages
add variants through entry points in the group ``harness.<kind>`` that name such a module.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, get_args, get_origin

from harness.errors import UsageError, nearest

PACKAGES = {  # the folder of each kind; the kind's name stands in YAML, in `list` and in entry points
    "data": "harness.data", "models": "harness.models",
    "fusion": "harness.method.fusion", "losses": "harness.method.losses",
    "selection": "harness.method.selection", "metrics": "harness.method.metrics",
    "search.samplers": "harness.search.samplers", "search.pruners": "harness.search.pruners",
}
KINDS = tuple(PACKAGES)


@dataclass(frozen=True)
class Knob:
    """What a knob declares: default, meaning, and either a range or the choices."""

    name: str
    type: Any
    default: Any
    meaning: str
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Any, ...] | None = None

    @property
    def domain(self) -> str:
        """Return the allowed values in words."""
        if self.choices is not None:
            return " | ".join(map(str, self.choices))
        if get_origin(self.type) is tuple:
            return "list"
        return getattr(self.type, "__name__", str(self.type)) + _interval(self.low, self.high)

    def check(self, value: Any, where: str) -> Any:
        """Return ``value`` in the knob's type; raise UsageError that names ``where`` and the allowed values."""
        converted = _convert(value, self.type)
        if converted is None:
            raise UsageError(f"{where}: {value!r} is not valid; expected {self.domain}")
        if self.choices is not None and converted not in self.choices:
            raise UsageError(f"{where}: unknown value {value!r}{nearest(str(value), map(str, self.choices))}")
        items = converted if isinstance(converted, tuple) else (converted,)
        for item in items:
            if isinstance(item, bool | str):
                continue
            if (self.low is not None and not item >= self.low) or (self.high is not None and not item <= self.high):
                raise UsageError(f"{where}: {value!r} is out of range; expected{_interval(self.low, self.high)}")
        return converted


@dataclass(frozen=True)
class Variant:
    """One choice on one axis: its kind, name, first docstring line, class and knobs."""

    kind: str
    name: str
    summary: str
    cls: type[Any]
    knobs: tuple[Knob, ...]


def knob(default: Any, meaning: str, *, low: int | float | None = None, high: int | float | None = None,
         choices: tuple[Any, ...] | None = None) -> Any:
    """Declare a dataclass field as a knob: its default, range or choices, and meaning stand together."""
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


def knobs_of(cls: type[Any]) -> tuple[Knob, ...]:
    """Return the knobs that a dataclass declares, in order."""
    return tuple(
        Knob(f.name, f.type, None if f.default is MISSING else f.default, **f.metadata)
        for f in fields(cls)
        if "meaning" in f.metadata
    )


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind's variants, without importing them."""
    return tuple(sorted({*_own(kind), *_foreign(kind)}))


@cache
def variant(kind: str, name: str) -> Variant:
    """Import one variant; raise UsageError with the nearest name when there is none."""
    if name not in names(kind):
        raise UsageError(f"{kind}: unknown variant {name!r}{nearest(name, names(kind))}")
    foreign = _foreign(kind).get(name)
    if foreign and name in _own(kind):
        raise UsageError(f"{kind}: the entry point {name!r} ({foreign.value}) has a shipped variant's name; rename it")
    module = foreign.load() if foreign else importlib.import_module(f"{PACKAGES[kind]}.{name}")
    cls = _class_of(module, kind)
    return Variant(kind, name, (inspect.getdoc(module) or "").split("\n")[0], cls, knobs_of(cls))


def variants(kind: str) -> tuple[Variant, ...]:
    """Import and return every variant of a kind, sorted by name."""
    return tuple(variant(kind, name) for name in names(kind))


def settings(kind: str, name: str, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the variant's knobs with ``given`` over the defaults, each checked; raise UsageError otherwise."""
    known = {k.name: k for k in variant(kind, name).knobs}
    for key in given:
        if key not in known:
            raise UsageError(f"{where}: {kind} {name!r} has no knob {key!r}{nearest(str(key), known)}")
    return {key: k.check(given[key], f"{where}.{key}") if key in given else k.default for key, k in known.items()}


def build(kind: str, name: str, given: Mapping[str, Any] | None = None) -> Any:
    """Build a variant from its knobs."""
    return variant(kind, name).cls(**settings(kind, name, given or {}, f"{kind}.{name}"))


def _own(kind: str) -> tuple[str, ...]:
    package = importlib.import_module(PACKAGES[kind])
    modules = pkgutil.iter_modules(package.__path__)
    return tuple(m.name for m in modules if not (m.ispkg or m.name == "base" or m.name.startswith("_")))


def _foreign(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"harness.{kind}")}


def _class_of(module: ModuleType, kind: str) -> type[Any]:
    base = importlib.import_module(f"{PACKAGES[kind]}.base")
    found = [
        cls for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, base.BASE)
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must hold one class deriving from {base.BASE.__name__}, has {found}")
    return found[0]


def _convert(value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        items = tuple(_convert(v, inner) for v in value) if isinstance(value, list | tuple) else (None,)
        return None if None in items else items
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is int and isinstance(value, bool):
        return None
    return value if isinstance(value, kind) else None


def _interval(low: int | float | None, high: int | float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f" >= {low:g}"
    return f" <= {high:g}" if low is None else f" in [{low:g}, {high:g}]"
