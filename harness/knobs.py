"""A variant's knobs: their declaration in its dataclass, and the check of a value."""

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from harness.errors import UsageError, nearest


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
