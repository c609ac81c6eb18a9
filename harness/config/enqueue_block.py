"""The settings that a search must try first: from YAML to parameters of its space."""

from collections.abc import Mapping
from typing import Any

from harness.config.located_yaml import Located
from harness.config.settings import CHOICES, described, mapping, normal
from harness.config.space import Dimension, Option, Options, Params, Range, Space, Value
from harness.config.space_block import ON
from harness.errors import UsageError, nearest


def enqueued(value: Located, space: Space) -> tuple[Params, ...]:
    """Return the parameters of each listed setting; what one leaves out is drawn. UsageError names its place."""
    if not isinstance(value.value, tuple):
        raise UsageError(f"{value.where}: search.enqueue: expected a list of settings, found {described(value)}")
    return tuple(_params(item, space) for item in value.value)


def _params(item: Located, space: Space) -> dict[str, Value]:
    given = _flat(mapping(item, "search.enqueue"))
    params: dict[str, Value] = {}
    used: set[str] = set()
    waiting: list[Dimension] = list(reversed(space.dimensions))
    while waiting:
        dimension = waiting.pop()
        if dimension.path not in given:
            continue
        used.add(dimension.path)
        params[dimension.name] = _value(dimension, given[dimension.path], given)
        if isinstance(dimension, Options):
            option = dimension[params[dimension.name]]
            used |= {path for path, value in _fixed(option).items() if path in given and given[path].plain == value}
            waiting += reversed(option.inner)
    for path, value in given.items():
        if path not in used:
            known = {dimension.path: None for dimension, _ in space.walk()}
            hint = "; it is there only with another choice" if path in known else nearest(path, known)
            raise UsageError(f"{value.where}: search.enqueue: the space does not vary {path!r}{hint}")
    return params


def _flat(item: Mapping[str, Located]) -> dict[str, Located]:
    """Return settings as the space names them: a choice and its knobs apart."""
    flat: dict[str, Located] = {}
    for path, value in item.items():
        inner = value.value
        if path in CHOICES and isinstance(inner, dict):
            inner = normal(path, value, "search.enqueue.").value
            flat[path] = inner["name"]
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items() if knob != "name"}
        elif path == "losses" and isinstance(inner, dict | tuple):
            losses = normal(path, value, "search.enqueue.").value
            flat[path] = Located("+".join(losses), value.where)
            for loss, knobs in losses.items():
                flat |= {f"losses.{loss}.{knob}": knob_value for knob, knob_value in knobs.value.items()}
        elif path.startswith("losses.") and isinstance(inner, dict):
            flat[path] = Located(ON, value.where)
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items()}
        else:
            flat[path] = value
    return flat


def _value(dimension: Dimension, value: Located, given: Mapping[str, Located]) -> Value:
    """Return what the study knows a value by; of choices alike but for their knobs, the one that has those given."""
    label = f"{value.where}: search.enqueue: {dimension.path}"
    if isinstance(dimension, Range):
        number = float(value.value) if isinstance(value.value, int) and not dimension.whole else value.value
        if number not in dimension:
            domain = f"[{dimension.low:g}, {dimension.high:g}]" + (f" by {dimension.step:g}" if dimension.step else "")
            raise UsageError(f"{label}: {value.plain!r} is not in the space: {domain}")
        return number
    alike = [option for option in dimension.options if value.plain in (
        option.label, option.given.get(dimension.path), _name(option, dimension.path))]
    if alike:
        return next((option.label for option in alike if _has(option, dimension.path, given)), alike[0].label)
    known = map(str, dimension.labels)
    raise UsageError(f"{label}: {value.plain!r} is not in the space{nearest(str(value.plain), known)}")


def _name(option: Option, path: str) -> Value:
    """Return what a choice is called, whether or not another one is called so too."""
    return str(option.label).partition("#")[0] if isinstance(option.given[path], dict) else option.label


def _fixed(option: Option) -> dict[str, Any]:
    """Return the knobs that a choice fixes, by dotted path."""
    fixed: dict[str, Any] = {}
    for path, wanted in option.given.items():
        for key, value in wanted.items() if isinstance(wanted, dict) else ():
            fixed |= {f"{path}.{key}.{knob}": item for knob, item in value.items()} if path == "losses" else {
                f"{path}.{key}": value}
    return fixed


def _has(option: Option, path: str, given: Mapping[str, Located]) -> bool:
    """Return whether a choice has the knobs that are given below its setting: fixed so, or drawn from what holds it."""
    fixed, inner = _fixed(option), {dimension.path: dimension for dimension in option.inner}
    for knob, value in given.items():
        if not knob.startswith(f"{path}.") or (knob in fixed and fixed[knob] == value.plain):
            continue
        try:
            _value(inner[knob], value, given)
        except (KeyError, UsageError):
            return False
    return True
