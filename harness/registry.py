"""Find, describe and build the variants of a kind: the file name is the variant's name.

A variant is one file in the folder of its kind. It holds one frozen dataclass that derives from the kind's base class.
The dataclass's fields are the variant's knobs, each declared with `knob`. Files that start with ``_`` are helpers.
Other packages add variants through entry points in the group ``harness.<kind>`` that name such a module.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

from harness.errors import UsageError, nearest

PACKAGES = {  # the package of each kind; YAML, the command `list` and entry points use the kind's name
    "data": "harness.data", "models": "harness.models",
    "fusion": "harness.method.fusion", "losses": "harness.method.losses",
    "selection": "harness.method.selection", "metrics": "harness.method.metrics",
    "search.samplers": "harness.search.samplers", "search.pruners": "harness.search.pruners",
}
KINDS = tuple(PACKAGES)
BY_PATH = {"models": "{name: sd15, path: %s}", "data": "{name: folder, root: %s}"}  # variants that open any folder


@dataclass(frozen=True)
class Knob:
    """A knob's declaration: type, default, meaning, and a range or choices."""

    name: str
    type: Any
    default: Any
    meaning: str
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Any, ...] | None = None
    path: bool = False

    @property
    def domain(self) -> str:
        """The allowed values in words."""
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
        return resolve_path(converted) if self.path else converted


@dataclass(frozen=True)
class Variant:
    """A variant of a kind: its name, the first line of its module's docstring, its class and its knobs."""

    kind: str
    name: str
    summary: str
    cls: type[Any]
    knobs: tuple[Knob, ...]


def knob(default: Any, meaning: str, *, low: int | float | None = None, high: int | float | None = None,
         choices: tuple[Any, ...] | None = None, path: bool = False) -> Any:
    """Declare a dataclass field as a knob.

    Args:
        default: the value if a setting leaves the knob out.
        meaning: one line for the command `list`, with the unit if the knob has one.
        low: the smallest allowed value, None for no limit.
        high: the largest allowed value, None for no limit.
        choices: the allowed values, instead of a range.
        path: a file or folder; its value is `resolve_path` of what is written, so that one place has one spelling.

    Returns:
        The field, to be assigned in a dataclass. The field's type decides how values are checked and converted.

    Example:
        >>> @dataclass(frozen=True)
        ... class Blend:
        ...     alpha: float = knob(0.3, "weight of the tokens' output", low=0.0, high=1.0)
        >>> (alpha,) = knobs_of(Blend)
        >>> alpha.domain, alpha.check(1, "fusion.alpha")
        ('float in [0, 1]', 1.0)
    """
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices, "path": path}
    return field(default=default, metadata=metadata)


def resolve_path(text: str) -> str:
    """Return a file or folder's absolute path without links, `~`, `..` or a slash at the end.

    A text that names no place here, such as a hub repository's owner/name, is returned as it is.

    >>> resolve_path("/usr/../usr/./"), resolve_path("owner/name")
    ('/usr', 'owner/name')
    """
    try:
        place = Path(text).expanduser()
        return str(place.resolve()) if text and (place.is_absolute() or place.exists()) else text
    except (OSError, RuntimeError, ValueError):  # no such user, a loop of links, a null character
        return text


def knobs_of(cls: type[Any]) -> tuple[Knob, ...]:
    """Return the knobs of a dataclass, in the order of its fields."""
    return tuple(
        Knob(f.name, f.type, None if f.default is MISSING else f.default, **f.metadata)
        for f in fields(cls)
        if "meaning" in f.metadata
    )


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind's variants, sorted, without importing them."""
    return tuple(sorted({*_shipped(kind), *_installed(kind)}))


@cache
def variant(kind: str, name: str) -> Variant:
    """Import a variant; raise UsageError with the nearest name if there is none of this name."""
    if name not in names(kind):
        is_path = kind in BY_PATH and any(mark in name for mark in "/\\~")
        hint = f"; a path stands in a knob: {BY_PATH[kind] % name};" if is_path else ""
        raise UsageError(f"{kind}: unknown variant {name!r}{hint}{nearest(name, names(kind))}".replace(";;", ";"))
    entry = _installed(kind).get(name)
    if entry and name in _shipped(kind):
        raise UsageError(f"{kind}: the entry point {name!r} ({entry.value}) has a shipped variant's name; rename it")
    module = entry.load() if entry else importlib.import_module(f"{PACKAGES[kind]}.{name}")
    cls = _class_of(module, kind)
    return Variant(kind, name, (inspect.getdoc(module) or "").split("\n")[0], cls, knobs_of(cls))


def variants(kind: str) -> tuple[Variant, ...]:
    """Import every variant of a kind.

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


def _shipped(kind: str) -> tuple[str, ...]:
    package = importlib.import_module(PACKAGES[kind])
    modules = pkgutil.iter_modules(package.__path__)
    return tuple(m.name for m in modules if not (m.ispkg or m.name == "base" or m.name.startswith("_")))


def _installed(kind: str) -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=f"harness.{kind}")}


def _class_of(module: ModuleType, kind: str) -> type[Any]:
    base = importlib.import_module(f"{PACKAGES[kind]}.base")
    classes = [
        cls for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, base.BASE)
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must hold one class deriving from {base.BASE.__name__}, has {classes}")
    return classes[0]


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
