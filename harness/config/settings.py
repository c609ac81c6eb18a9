"""From located YAML values to one checked TrialSpec: choices, knobs, and combinations of settings."""

from collections.abc import Collection, Mapping
from typing import Any

from harness.config.located_yaml import Located, colon_hint
from harness.config.spec import Choice, TrialSpec
from harness.errors import UsageError, nearest
from harness.registry import Knob, knobs_of, variant

CHOICES = {"model": "models", "data": "data", "fusion": "fusion", "selection": "selection"}  # setting -> kind
KNOBS: Mapping[str, Knob] = {knob.name: knob for knob in knobs_of(TrialSpec)}
SETTINGS = (*CHOICES, "losses", *KNOBS)
TOGETHER = ("tokens", "keypoints", "layers")  # checked in combination by `check_together`; the others are independent
DEFAULTS: Mapping[str, Any] = {
    "model": "tiny_zero123plus", "data": "figures", "fusion": "none", "selection": "gaussian_fps",
    "losses": {"sharpening": {"weight": 100.0}, "equivariance": {"weight": 1000.0}},
}

Settings = Mapping[str, Located]  # by first word; choices and losses are in their normal form (see `normalise`)


def fill_defaults(trial: Located | None) -> Settings:
    """Return the defaults, overridden by an experiment's `trial` block; raise UsageError for an unknown setting."""
    settings: Settings = {key: normalise(key, locate(value, "default")) for key, value in DEFAULTS.items()}
    block = expect_mapping(trial, "trial") if trial is not None and trial.value is not None else {}
    return assign_all(settings, block, "trial.")


def assign_all(settings: Settings, changes: Mapping[str, Located], prefix: str) -> Settings:
    """Return the settings with several replaced: whole choices first, so that `fusion.strength` acts on the new one."""
    for path in sorted(changes, key=lambda path: path.count(".")):
        settings = assign(settings, path, changes[path], prefix)
    return settings


def assign(settings: Settings, path: str, value: Located, prefix: str = "") -> Settings:
    """Return the settings with one, given by dotted path, replaced; a choice or a loss is replaced as a whole."""
    first, *rest = path.split(".")
    if first == "seed":
        raise UsageError(f"{value.where}: {prefix}seed: seeds are listed under the top key 'seeds'")
    if first not in SETTINGS:
        raise UsageError(f"{value.where}: {prefix}{path}: unknown setting {first!r}{nearest(first, SETTINGS)}")
    depth = {"losses": 2}.get(first, 1 if first in CHOICES else 0)
    if len(rest) > depth:
        raise UsageError(f"{value.where}: {prefix}{path}: {'.'.join([first, *rest[:depth]])!r} has nothing below it")
    if not rest:
        return {**settings, first: normalise(first, value, prefix)}
    group = settings[first]
    if first == "losses":
        name = rest[0]
        if len(rest) == 1:
            inner = Located(dict(_knobs(value, f"{prefix}{path}")), value.where)
        elif name not in group.value:
            raise UsageError(f"{value.where}: {prefix}{path}: the trial has no such loss{nearest(name, group.value)}")
        else:
            inner = Located({**group.value[name].value, rest[1]: value}, value.where)
        return {**settings, first: Located({**group.value, name: inner}, group.where)}
    return {**settings, first: Located({**group.value, rest[0]: value}, group.where)}


def resolve(settings: Settings) -> TrialSpec:
    """Return the frozen spec, every knob checked and converted to its type; raise UsageError otherwise."""
    spec = TrialSpec(**{key: resolve_field(key, settings) for key in SETTINGS if key in settings})
    check_together(spec, settings)
    return spec


def resolve_field(key: str, settings: Settings) -> Any:
    """Return the value of one field of TrialSpec; raise UsageError if the setting is not valid."""
    if key in CHOICES:
        return _choice(CHOICES[key], key, settings[key])
    if key == "losses":
        return tuple(Choice(name, check_knobs("losses", name, f"losses.{name}", knobs))
                     for name, knobs in settings[key].value.items())
    return KNOBS[key].check(settings[key].plain, f"{settings[key].where}: {key}")


def expect_mapping(value: Located, label: str, keys: Collection[str] = ()) -> Mapping[str, Located]:
    """Return a mapping's items; raise UsageError for any other value, or for a key that is not among ``keys``."""
    if not isinstance(value.value, dict):
        raise UsageError(f"{value.where}: {label}: expected keys and values, found {describe(value)}"
                         f"{colon_hint(value.value)}")
    for key, item in value.value.items() if keys else ():
        if key not in keys:
            raise UsageError(f"{item.where}: {label}: unknown key {key!r}{nearest(key, keys)}")
    return value.value


def describe(value: Located) -> str:
    """Return a short text for a value in an error message."""
    if value.value is None:
        return "nothing"
    if isinstance(value.value, dict):
        return "a mapping"
    return "a list" if isinstance(value.value, tuple) else repr(value.value)


def normalise(key: str, value: Located, prefix: str = "") -> Located:
    """Return a choice as {name: ..., knob: ...} and losses as {name: {knob: ...}}; other settings as they are."""
    if key in CHOICES:
        if isinstance(value.value, str):
            return Located({"name": value}, value.where)
        if not isinstance(value.value, dict) or "name" not in value.value:
            raise UsageError(f"{value.where}: {prefix}{key}: expected a name, or a mapping with 'name', found "
                             f"{_keys(value)}")
        return value
    if key != "losses":
        return value
    items: dict[str, Located] = {}
    if isinstance(value.value, dict):
        items = {name: Located(dict(_knobs(knobs, f"{prefix}losses.{name}")), knobs.where)
                 for name, knobs in value.value.items()}
    elif isinstance(value.value, tuple):
        for item in value.value:
            if not isinstance(item.value, str):
                raise UsageError(f"{item.where}: {prefix}losses: expected a loss's name, found {describe(item)}")
            if item.value in items:
                raise UsageError(f"{item.where}: {prefix}losses: {item.value!r} is listed twice")
            items[item.value] = Located({}, item.where)
    if not items:
        text = describe(value) if value.value else "none"
        raise UsageError(f"{value.where}: {prefix}losses: expected at least one loss, by name, found {text}")
    return Located(items, value.where)


def _keys(value: Located) -> str:
    """Return `describe`, of a mapping with its keys."""
    if isinstance(value.value, dict) and value.value:
        return f"a mapping of {', '.join(map(repr, value.value))}"
    return describe(value)


def _knobs(value: Located, label: str) -> Mapping[str, Located]:
    return {} if value.value is None else expect_mapping(value, label)


def _choice(kind: str, key: str, value: Located) -> Choice:
    knobs = dict(value.value)
    name = knobs.pop("name")
    if not isinstance(name.value, str):
        raise UsageError(f"{name.where}: {key}: expected a name, found {describe(name)}")
    return Choice(name.value, check_knobs(kind, name.value, key, Located(knobs, name.where)))


def check_knobs(kind: str, name: str, label: str, values: Located) -> dict[str, Any]:
    """Return all knobs of a variant: its defaults, overridden by ``values``. An error names the place of the knob."""
    try:
        knobs = {knob.name: knob for knob in variant(kind, name).knobs}
    except UsageError as error:
        raise UsageError(f"{values.where}: {error}") from None
    for key, value in values.value.items():
        if key not in knobs:
            raise UsageError(f"{value.where}: {label}: {name!r} has no knob {key!r}{nearest(key, knobs)}")
    return {
        key: knob.check(values.value[key].plain, f"{values.value[key].where}: {label}.{key}")
        if key in values.value else knob.default
        for key, knob in knobs.items()
    }


def check_together(spec: TrialSpec, settings: Settings) -> None:
    """Raise UsageError if settings of TOGETHER, each valid alone, are not valid in combination."""
    if spec.keypoints > spec.tokens:
        setting = settings.get("keypoints") or settings.get("tokens")
        where = setting.where if setting else "default"
        raise UsageError(f"{where}: keypoints: {spec.keypoints} of {spec.tokens} tokens cannot be selected")
    if not spec.layers:
        raise UsageError(f"{settings['layers'].where}: layers: expected at least one captured layer")


def locate(value: Any, where: str) -> Located:
    """Return plain data as Located values, all with the place ``where``."""
    if isinstance(value, dict):
        return Located({key: locate(item, where) for key, item in value.items()}, where)
    return Located(value, where)
