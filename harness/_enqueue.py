"""The settings that a search must try first: from YAML to parameters of its space."""

from collections.abc import Mapping

from harness._settings import CHOICES, described, mapping
from harness._space import ON
from harness._yaml import Located
from harness.plugins import UsageError, nearest
from harness.space import Dimension, Options, Params, Range, Space, Value


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
        params[dimension.name] = _value(dimension, given[dimension.path])
        if isinstance(dimension, Options):
            waiting += reversed(dimension[params[dimension.name]].inner)
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
        if path in CHOICES and isinstance(inner, dict) and "name" in inner:
            flat[path] = inner["name"]
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items() if knob != "name"}
        elif path == "losses" and isinstance(inner, dict | tuple):
            flat[path] = Located("+".join(str(getattr(loss, "value", loss)) for loss in inner), value.where)
            for loss, knobs in inner.items() if isinstance(inner, dict) else ():
                flat |= {f"losses.{loss}.{knob}": knob_value for knob, knob_value in (knobs.value or {}).items()}
        elif path.startswith("losses.") and isinstance(inner, dict):
            flat[path] = Located(ON, value.where)
            flat |= {f"{path}.{knob}": knob_value for knob, knob_value in inner.items()}
        else:
            flat[path] = value
    return flat


def _value(dimension: Dimension, value: Located) -> Value:
    label = f"{value.where}: search.enqueue: {dimension.path}"
    if isinstance(dimension, Range):
        number = float(value.value) if isinstance(value.value, int) and not dimension.whole else value.value
        if number not in dimension:
            domain = f"[{dimension.low:g}, {dimension.high:g}]" + (f" by {dimension.step:g}" if dimension.step else "")
            raise UsageError(f"{label}: {value.plain!r} is not in the space: {domain}")
        return number
    for option in dimension.options:
        if value.plain in (option.label, option.given.get(dimension.path)):
            return option.label
    known = map(str, dimension.labels)
    raise UsageError(f"{label}: {value.plain!r} is not in the space{nearest(str(value.plain), known)}")
