"""The `space:` of a search: from located YAML to dimensions."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, get_origin

from harness.config.located_yaml import Located
from harness.config.settings import CHOICES, KNOBS, SETTINGS, Settings, check_knobs, describe, expect_mapping
from harness.config.space import OFF, Dimension, Option, Options, Range, Space, Value
from harness.errors import UsageError, nearest
from harness.registry import Knob, names, variant

AUTO, ON = "auto", "on"
BOUNDS = ("low", "high", "log", "step")
EXPECTED = "expected a list of choices, {low, high, log, step}, or auto"
KINDS = {**CHOICES, "losses": "losses"}


def read_space(value: Located, fixed: Settings) -> Space:
    """Return the space; ``fixed`` are the trial's settings. UsageError names the place of a mistake."""
    block = expect_mapping(value, "search.space")
    if not block:
        raise UsageError(f"{value.where}: search.space: expected at least one setting")
    reader = _Reader(fixed, block)
    space = Space(tuple(reader.dimension(path, path, item) for path, item in block.items()), reader.places)
    needs_by_path: dict[str, list[Mapping[str, Value]]] = {}
    for dimension, needs in space.walk():
        for other in needs_by_path.setdefault(dimension.path, []):
            if all(other[name] == needs[name] for name in other.keys() & needs.keys()):
                raise UsageError(f"{reader.places[dimension.path]}: search.space: {dimension.path} is varied twice")
        needs_by_path[dimension.path].append(needs)
    return space


class _Reader:
    """Reads dimensions, and stores the place of each setting."""

    def __init__(self, fixed: Settings, block: Mapping[str, Located]) -> None:
        self.fixed, self.block = fixed, block
        self.places: dict[str, str] = {}

    def dimension(self, path: str, name: str, value: Located, knob: Knob | None = None) -> Dimension:
        """Return one dimension; the caller passes the ``knob`` if the dimension lies inside an option."""
        self.places[path] = value.where
        label, words = f"{value.where}: search.space.{path}", path.split(".")
        if words[0] not in SETTINGS:
            raise UsageError(f"{label}: unknown setting {words[0]!r}{nearest(words[0], SETTINGS)}")
        if knob is None and (path in KINDS or (words[0] == "losses" and len(words) == 2)):
            return self.options(path, name, value)
        knob = knob or self.knob(path, label)
        if isinstance(value.value, tuple):
            return Options(name, path, tuple(self.fixed_options(path, value, knob)))
        if isinstance(value.value, dict) or value.value == AUTO:
            return _range(path, name, value, knob)
        raise UsageError(f"{label}: {EXPECTED}, found {describe(value)}")

    def options(self, path: str, name: str, value: Located) -> Options:
        """Return a dimension whose options are variants, sets of losses, or a loss switched off or on."""
        items = value.value
        if value.value == AUTO and path in CHOICES:
            items = tuple(Located(variant_name, value.where) for variant_name in names(CHOICES[path]))
        if not isinstance(items, tuple) or not items:
            text = describe(value)
            raise UsageError(f"{value.where}: search.space.{path}: expected a list of choices, found {text}")
        earlier: list[Any] = []
        options: list[Option] = []
        for item in items:
            if item.plain in earlier:
                raise UsageError(f"{item.where}: search.space.{path}: {describe(item)} is listed twice")
            earlier.append(item.plain)
            option = self.option(path, name, item, [option.label for option in options])
            options.append(option)
        return Options(name, path, tuple(options))

    def option(self, path: str, name: str, item: Located, taken: list[Value]) -> Option:
        """Return one option: its fixed settings, and the dimensions inside it; ``taken`` are the labels before it."""
        if item.value == OFF and path.startswith("losses."):
            return Option(OFF, {path: OFF})
        if path == "losses":
            losses = _losses(item)
            label = _unique("+".join(losses), taken)
            parts = {loss: self.parts("losses", loss, f"losses.{loss}", f"{name}.{label}.{loss}", knobs)
                     for loss, knobs in losses.items()}
            inner = tuple(dimension for _, dimensions in parts.values() for dimension in dimensions)
            return Option(label, {path: {loss: fixed for loss, (fixed, _) in parts.items()}}, inner)
        if path.startswith("losses."):
            knobs = Located({}, item.where) if item.value == ON else item
            label, loss = _unique(ON, taken), path.partition(".")[2]
            defaults = self.fixed["losses"].value.get(loss, Located({}, item.where)).value
            fixed, inner = self.parts("losses", loss, path, f"{name}.{label}" if taken != [OFF] and taken else name,
                                      knobs, defaults)
            return Option(label, {path: fixed}, inner)
        values = {"name": item} if isinstance(item.value, str) else dict(expect_mapping(item, f"search.space.{path}"))
        chosen = values.pop("name", None)
        if chosen is None or not isinstance(chosen.value, str):
            raise UsageError(f"{item.where}: search.space.{path}: expected a name, or a mapping with 'name', "
                             f"found {describe(item)}")
        label = _unique(chosen.value, taken)
        fixed, inner = self.parts(CHOICES[path], chosen.value, path, f"{name}.{label}", Located(values, item.where))
        return Option(label, {path: {"name": chosen.value, **fixed}}, inner)

    def parts(self, kind: str, chosen: str, path: str, name: str, values: Located,
              defaults: Settings | None = None) -> tuple[dict[str, Any], tuple[Dimension, ...]]:
        """Return a variant's fixed knobs (``values`` over ``defaults``), and the dimensions of its varied ones."""
        items = expect_mapping(values, f"search.space.{path}")
        varied = {key: value for key, value in items.items() if isinstance(value.value, dict | tuple)
                  or value.value == AUTO}
        fixed = {key: value for key, value in {**(defaults or {}), **items}.items() if key not in varied}
        check_knobs(kind, chosen, f"search.space.{path}", Located(fixed, values.where))
        knobs = {knob.name: knob for knob in variant(kind, chosen).knobs}
        for key, value in varied.items():  # their values are checked when they are read as dimensions
            if key not in knobs:
                label = f"{value.where}: search.space.{path}"
                raise UsageError(f"{label}: {chosen!r} has no knob {key!r}{nearest(key, knobs)}")
        inner = tuple(self.dimension(f"{path}.{key}", f"{name}.{key}", value, knobs[key])
                      for key, value in varied.items())
        return {key: value.plain for key, value in fixed.items()}, inner

    def fixed_options(self, path: str, value: Located, knob: Knob) -> Iterator[Option]:
        """Yield the options of a knob's listed values."""
        if not value.value:
            raise UsageError(f"{value.where}: search.space.{path}: expected a list of choices, found an empty list")
        earlier: list[Any] = []
        for item in value.value:
            converted = knob.check(item.plain, f"{item.where}: search.space.{path}")
            if converted in earlier:
                raise UsageError(f"{item.where}: search.space.{path}: {describe(item)} is listed twice")
            earlier.append(converted)
            plain = list(converted) if isinstance(converted, tuple) else converted
            yield Option(json.dumps(plain) if isinstance(plain, list) else plain, {path: plain})

    def knob(self, path: str, label: str) -> Knob:
        """Return the knob of a dotted setting."""
        first, *rest = path.split(".")
        if not rest:
            return KNOBS[first]
        depth = 2 if first == "losses" else 1 if first in CHOICES else 0
        if len(rest) != depth:
            raise UsageError(f"{label}: {'.'.join([first, *rest[:depth]])!r} has nothing below it")
        chosen = rest[0] if first == "losses" else self.chosen(first)
        knobs = {knob.name: knob for knob in variant(KINDS[first], chosen).knobs}
        if rest[-1] not in knobs:
            hint = f"; write a choice's knob into it: {{name: ..., {rest[-1]}: ...}}" if first in self.block else ""
            raise UsageError(f"{label}: {chosen!r} has no knob {rest[-1]!r}{hint or nearest(rest[-1], knobs)}")
        return knobs[rest[-1]]

    def chosen(self, first: str) -> str:
        """Return the name of the trial's variant, or of the first one in the space."""
        value = self.block.get(first, self.fixed[first])
        item = value.value[0] if isinstance(value.value, tuple) and value.value else value
        name = item.value.get("name") if isinstance(item.value, dict) else item
        return str(name.value if name is not None and name.value != AUTO else names(CHOICES[first])[0])


def _losses(item: Located) -> dict[str, Located]:
    """Return a set of losses, each with its knobs."""
    if isinstance(item.value, dict) and item.value:
        return {loss: Located({}, knobs.where) if knobs.value is None else knobs for loss, knobs in item.value.items()}
    if isinstance(item.value, tuple) and item.value and all(isinstance(loss.value, str) for loss in item.value):
        return {loss.value: Located({}, loss.where) for loss in item.value}
    raise UsageError(f"{item.where}: search.space.losses: expected losses, by name, found {describe(item)}")


def _unique(label: str, taken: list[Value]) -> str:
    """Return the label, with a number if an earlier option has it."""
    count = sum(str(other).partition("#")[0] == label for other in taken)
    return label if not count else f"{label}#{count + 1}"


def _range(path: str, name: str, value: Located, knob: Knob) -> Dimension:
    """Return the range between two bounds; a missing bound is that of the knob."""
    label = f"{value.where}: search.space.{path}"
    keys = {} if value.value == AUTO else expect_mapping(value, f"search.space.{path}", BOUNDS)
    choices = (False, True) if knob.type is bool else knob.choices
    if choices is not None and not keys:
        return Options(name, path, tuple(Option(choice, {path: choice}) for choice in choices))
    if choices is not None or knob.type not in (int, float) or get_origin(knob.type) is tuple:
        raise UsageError(f"{label}: {knob.name} has no range; expected a list of choices of {knob.domain}")
    bounds = [_bound(path, side, keys, knob, label) for side in ("low", "high")]
    low, high = bounds
    log = keys["log"].value if "log" in keys else False
    if not isinstance(log, bool):
        raise UsageError(f"{keys['log'].where}: search.space.{path}.log: {log!r} is not valid; expected true or false")
    if not low < high:
        raise UsageError(f"{label}: the range from {low} to {high} is empty")
    if log and low <= 0:
        raise UsageError(f"{label}: a logarithmic range cannot begin at {low}; give a 'low' above 0")
    if "step" not in keys:
        return Range(name, path, low, high, log)
    step = _step(path, keys["step"], high - low, whole=knob.type is int)
    if log:
        raise UsageError(f"{keys['step'].where}: search.space.{path}: 'step' and 'log' exclude each other")
    first, width = Decimal(str(low)), Decimal(str(step))  # exact decimals: 0.01 + 3 x 0.03 is 0.1
    last = first + (Decimal(str(high)) - first) // width * width
    return Range(name, path, low, knob.type(last), step=step)


def _bound(path: str, side: str, keys: Mapping[str, Located], knob: Knob, label: str) -> Any:
    if side in keys:
        return knob.check(keys[side].plain, f"{keys[side].where}: search.space.{path}.{side}")
    default = knob.low if side == "low" else knob.high
    if default is None:
        raise UsageError(f"{label}: {knob.name} declares no {side} end ({knob.domain}); give '{side}'")
    return knob.check(default, label)


def _step(path: str, value: Located, span: float | int, *, whole: bool) -> Any:
    step = value.value
    if isinstance(step, bool) or not isinstance(step, int if whole else int | float) or not 0 < step <= span:
        raise UsageError(f"{value.where}: search.space.{path}.step: {value.plain!r} is not valid; expected "
                         f"{'a whole number' if whole else 'a number'} above 0, at most {span:g}")
    return step
