"""The settings of a trial that differ from their defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness import registry
from harness.config.settings import CHOICES, DEFAULTS, KNOBS
from harness.errors import UsageError


@dataclass(frozen=True)
class SettingValue:
    """The value of one setting, by its dotted name, and its default."""

    name: str
    value: Any
    default: Any

    @property
    def is_default(self) -> bool:
        """True if the value is the default."""
        return bool(_plain(self.value) == _plain(self.default))


def settings(spec: Mapping[str, Any]) -> Iterator[SettingValue]:
    """Yield every setting of a trial but the seed: choices by name, their knobs, losses, and the trial's own knobs.

    A knob's default is its variant's; it is None if the variant is not installed.
    """
    for key, value in spec.items():
        if key in CHOICES:
            default = DEFAULTS[key] if isinstance(DEFAULTS[key], str) else DEFAULTS[key]["name"]
            yield SettingValue(key, value["name"], default)
            yield from _knobs(key, CHOICES[key], value["name"], value)
        elif key == "losses":
            yield SettingValue(key, list(value), list(DEFAULTS[key]))
            for name, knobs in value.items():
                yield from _knobs(f"losses.{name}", "losses", name, knobs)
        elif key != "seed":
            yield SettingValue(key, value, KNOBS[key].default if key in KNOBS else None)


def changed(spec: Mapping[str, Any]) -> list[SettingValue]:
    """Return the settings that are not the defaults."""
    return [setting for setting in settings(spec) if not setting.is_default]


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return name and both values (None without one) of the settings in which two trials differ, the seed aside."""
    first, second = ({setting.name: setting.value for setting in settings(spec)} for spec in (one, other))
    return [(name, first.get(name), second.get(name)) for name in {**first, **second}
            if _plain(first.get(name)) != _plain(second.get(name))]


def text(value: Any) -> str:
    """Return a setting's value as text."""
    if value is None:
        return "\N{EM DASH}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _knobs(path: str, kind: str, name: str, knobs: Mapping[str, Any]) -> Iterator[SettingValue]:
    defaults = _defaults(kind, name)
    if kind == "losses":
        defaults = {**defaults, **DEFAULTS["losses"].get(name, {})}
    for knob, value in knobs.items():
        if knob != "name":
            yield SettingValue(f"{path}.{knob}", value, defaults.get(knob))


@cache
def _defaults(kind: str, name: str) -> Mapping[str, Any]:
    try:
        return {knob.name: knob.default for knob in registry.variant(kind, name).knobs}
    except UsageError:
        return {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
