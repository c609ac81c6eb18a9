"""The `enqueue:` list of a search, settings that it tries first: from YAML to parameters of its space."""

from collections.abc import Mapping
from typing import Any

from harness.config.located_yaml import Located
from harness.config.settings import CHOICES, describe, expect_mapping, normalise
from harness.config.space import Dimension, Option, Options, Params, Range, Space, Value
from harness.config.space_block import ON
from harness.errors import UsageError, nearest


def read_enqueue(value: Located, space: Space) -> tuple[Params, ...]:
    """Return the parameters of each listed setting; parameters left out are drawn. UsageError names the place."""
    if not isinstance(value.value, tuple):
        raise UsageError(f"{value.where}: search.enqueue: expected a list of settings, found {describe(value)}")
    return tuple(_params(item, space) for item in value.value)


def _params(item: Located, space: Space) -> dict[str, Value]:
    settings = _flatten(expect_mapping(item, "search.enqueue"))
    params: dict[str, Value] = {}
    used: set[str] = set()
    stack: list[Dimension] = list(reversed(space.dimensions))
    while stack:
        dimension = stack.pop()
        if dimension.path not in settings:
            continue
        used.add(dimension.path)
        params[dimension.name] = _value(dimension, settings[dimension.path], settings)
        if isinstance(dimension, Options):
            option = dimension[params[dimension.name]]
            used |= {path for path, knob in _fixed_knobs(option).items()
                     if path in settings and settings[path].plain == knob}
            stack += reversed(option.inner)
    for path, value in settings.items():
        if path not in used:
            paths = {dimension.path: None for dimension, _ in space.walk()}
            hint = "; it exists only with another choice" if path in paths else nearest(path, paths)
            raise UsageError(f"{value.where}: search.enqueue: the space does not vary {path!r}{hint}")
    return params


def _flatten(item: Mapping[str, Located]) -> dict[str, Located]:
    """Return settings by the dotted paths of the space: a choice, and each of its knobs."""
    flat: dict[str, Located] = {}
    for path, value in item.items():
        inner = value.value
        if path in CHOICES and isinstance(inner, dict):
            inner = normalise(path, value, "search.enqueue.").value
            flat[path] = inner["name"]
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items() if knob != "name"}
        elif path == "losses" and isinstance(inner, dict | tuple):
            losses = normalise(path, value, "search.enqueue.").value
            flat[path] = Located("+".join(losses), value.where)
            for loss, knobs in losses.items():
                flat |= {f"losses.{loss}.{knob}": knob_value for knob, knob_value in knobs.value.items()}
        elif path.startswith("losses.") and isinstance(inner, dict):
            flat[path] = Located(ON, value.where)
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items()}
        else:
            flat[path] = value
    return flat


def _value(dimension: Dimension, value: Located, settings: Mapping[str, Located]) -> Value:
    """Return the study's value of a setting. Of options that differ in their knobs alone, take the one that fits."""
    label = f"{value.where}: search.enqueue: {dimension.path}"
    if isinstance(dimension, Range):
        number = float(value.value) if isinstance(value.value, int) and not dimension.whole else value.value
        if number not in dimension:
            domain = f"[{dimension.low:g}, {dimension.high:g}]" + (f" by {dimension.step:g}" if dimension.step else "")
            raise UsageError(f"{label}: {value.plain!r} is not in the space: {domain}")
        return number
    options = [option for option in dimension.options if value.plain in (
        option.label, option.settings.get(dimension.path), _name(option, dimension.path))]
    if options:
        return next((option.label for option in options if _fits(option, dimension.path, settings)), options[0].label)
    labels = map(str, dimension.labels)
    raise UsageError(f"{label}: {value.plain!r} is not in the space{nearest(str(value.plain), labels)}")


def _name(option: Option, path: str) -> Value:
    """Return the name of an option's variant: its label without the number that makes it unique."""
    return str(option.label).partition("#")[0] if isinstance(option.settings[path], dict) else option.label


def _fixed_knobs(option: Option) -> dict[str, Any]:
    """Return the knobs that an option fixes, by dotted path."""
    fixed: dict[str, Any] = {}
    for path, setting in option.settings.items():
        for key, value in setting.items() if isinstance(setting, dict) else ():
            fixed |= {f"{path}.{key}.{knob}": item for knob, item in value.items()} if path == "losses" else {
                f"{path}.{key}": value}
    return fixed


def _fits(option: Option, path: str, settings: Mapping[str, Located]) -> bool:
    """Return whether an option allows all listed knobs below ``path``: it fixes the value, or can draw it."""
    fixed, inner = _fixed_knobs(option), {dimension.path: dimension for dimension in option.inner}
    for knob, value in settings.items():
        if not knob.startswith(f"{path}.") or (knob in fixed and fixed[knob] == value.plain):
            continue
        try:
            _value(inner[knob], value, settings)
        except (KeyError, UsageError):
            return False
    return True
