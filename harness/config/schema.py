"""The JSON schema of experiments, for editors: every key, variant and knob with its meaning, from the registry.

A schema sees one value at a time. Combinations (more keypoints than tokens, a baseline that no row has) are left to
`harness.config.load`. What this schema refuses, `load` refuses too.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from harness.config.load import LARGEST_SEED, MOST_TRIALS, NAME, RESERVED
from harness.config.report_block import KEYS as REPORT_KEYS
from harness.config.scores import REPORTED
from harness.config.search_block import BUDGET, DIRECTIONS
from harness.config.settings import CHOICES, KNOBS
from harness.config.space import OFF
from harness.config.space_block import AUTO, BOUNDS, ON
from harness.registry import Knob, Variant, variants

FILE = "schema.json"  # beside the shipped experiments
MODELINE = "# yaml-language-server: $schema="  # before the schema's path; editors read it in any comment
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
Schema = dict[str, Any]

MEANINGS = {
    "name": "name of the experiment and of its folder in results/: small letters, digits, '-' and '_'",
    "trial": "settings that all trials share; what is left out has its default",
    "grid": "settings that vary: for each a list of values; every combination is run with every seed",
    "search": "a search of a space of settings, instead of a grid; `harness sweep` runs it",
    "seeds": "number of seeds, or a list of them; the replicates of every setting",
    "report": "layout of the tables",
    "rows": "settings that name a row; any other setting that differs gets a column",
    "baseline": "settings of the row that every other row is compared with",
    "columns": "further scores and costs",
    "tests": "scores that are tested against the baseline; fewer tests need fewer seeds",
    "effects": "settings whose main effects get a table",
    "published": "published figures, in rows of their own",
    "sampler": "how the next setting is proposed (tpe)",
    "pruner": "when a poor setting is stopped (none)",
    "objective": "score that is optimised, its mean over seeds (pck_fit@0.1); several give a Pareto front",
    "space": "settings that the search varies: a list of choices, {low, high, log, step}, or auto",
    "enqueue": "settings that are tried first; those left out are drawn",
    "budget": "when the search ends",
    "storage": "database of the study, such as postgresql://user@host/name (study.db beside the records)",
    "losses": "what is minimised: each loss with its knobs, or a list of names",
    "model": "the frozen diffusion model", "data": "the scenes", "fusion": "how tokens enter the view generator",
    "selection": "which tokens become keypoints",
    "trials": "trials in all, those of earlier calls included", "minutes": "minutes of one call",
    "failures": "failed trials in a row that stop it (5)",
}


def schema() -> Schema:
    """Return the JSON schema (draft 7) of experiments, with the variants of this package and of extensions."""
    kinds = {key: variants(kind) for key, kind in CHOICES.items()}
    losses = variants("losses")
    values = {**{key: _knob(knob) for key, knob in KNOBS.items()}, **_choices(kinds), **_losses(losses)}
    definitions = {path: values[path] for path in sorted(values)}
    space = {f"space.{path}": part for path, part in sorted(_space(values, kinds, losses).items())}
    grid = {path: {"description": part["description"], **_some(_ref(path))} for path, part in definitions.items()}
    top = {
        "name": {"type": "string", "pattern": f"^{NAME.pattern}$", "not": {"enum": list(RESERVED)}},
        "trial": _object({path: _ref(path) for path in definitions}, nullable=True),
        "grid": _object(grid, nullable=True),
        "search": _search({path.removeprefix("space."): _ref(path) for path in space}),
        "seeds": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_TRIALS},
                            {"type": "array", "minItems": 1, "uniqueItems": True,
                             "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED}}]},
        "report": _report(),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#", "title": "An experiment of harness",
        **_object({}, required=("name",)),
        "not": {"required": ["grid", "search"], "properties": {"grid": {"type": "object"}}},
        "properties": _described(top), "definitions": definitions | space,
    }


def to_text(content: Mapping[str, Any]) -> str:
    """Return a schema as text, one line per key of an experiment and per definition."""
    blocks = [f'"{key}": {{\n' + ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}"
                                           for name, part in content[key].items()) + "\n}"
              for key in ("properties", "definitions")]
    head = json.dumps({key: part for key, part in content.items() if key not in ("properties", "definitions")})
    return f"{head[:-1]},\n" + ",\n".join(blocks) + "}\n"


def _ref(path: str) -> Schema:
    return {"$ref": f"#/definitions/{path}"}


def _described(parts: Mapping[str, Schema]) -> dict[str, Schema]:
    return {key: {"description": MEANINGS[key], **part} for key, part in parts.items()}


def _object(properties: Mapping[str, Schema], *, nullable: bool = False, required: Iterable[str] = ()) -> Schema:
    kind: Any = ["object", "null"] if nullable else "object"
    return {"type": kind, "additionalProperties": False, **({"required": list(required)} if required else {}),
            "properties": dict(properties)}


def _knob(knob: Knob) -> Schema:
    """Return a knob's schema: type or choices, range, default, and its meaning as the description."""
    plain = list(knob.default) if isinstance(knob.default, tuple) else knob.default
    described = {"description": f"{knob.meaning}; {knob.domain}, default {json.dumps(plain)}", "default": plain}
    if knob.choices is not None:
        return {**described, "enum": list(knob.choices)}
    bounds = {key: limit for key, limit in (("minimum", knob.low), ("maximum", knob.high)) if limit is not None}
    if get_origin(knob.type) is tuple:
        return {**described, "type": "array", "items": {"type": TYPES[get_args(knob.type)[0]], **bounds}}
    return {**described, "type": TYPES[knob.type], **bounds}


def _choices(kinds: Mapping[str, tuple[Variant, ...]]) -> dict[str, Schema]:
    """Return the schema of each choice, and of each of its knobs by dotted path."""
    found: dict[str, Schema] = {}
    for key, items in kinds.items():
        found[key] = {"description": MEANINGS[key], "anyOf": [*_names(items), *map(_variant, items)]}
        found |= {f"{key}.{name}": part for name, part in _joined(items).items()}
    return found


def _losses(items: tuple[Variant, ...]) -> dict[str, Schema]:
    knobs = {loss.name: {"description": loss.summary, **_object(_knobs(loss), nullable=True)} for loss in items}
    listed = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"anyOf": _names(items)}}
    named = {**_object({name: _ref(f"losses.{name}") for name in knobs}), "minProperties": 1}
    found: dict[str, Schema] = {"losses": {"description": MEANINGS["losses"], "anyOf": [named, listed]}}
    for loss in items:
        found[f"losses.{loss.name}"] = knobs[loss.name]
        found |= {f"losses.{loss.name}.{name}": part for name, part in _knobs(loss).items()}
    return found


def _names(items: Iterable[Variant]) -> list[Schema]:
    return [{"const": item.name, "description": item.summary} for item in items]


def _knobs(item: Variant) -> dict[str, Schema]:
    return {knob.name: _knob(knob) for knob in item.knobs}


def _variant(item: Variant, knobs: Mapping[str, Schema] | None = None) -> Schema:
    name = {"const": item.name, "description": item.summary}
    return {"description": item.summary,
            **_object({"name": name, **(_knobs(item) if knobs is None else knobs)}, required=("name",))}


def _joined(items: Iterable[Variant]) -> dict[str, Schema]:
    """Return the knobs of all variants of a kind by name; one that several have may be any of theirs."""
    found: dict[str, list[Schema]] = {}
    for item in items:
        for name, part in _knobs(item).items():
            parts = found.setdefault(name, [])
            parts += [part] if part not in parts else []
    return {name: parts[0] if len(parts) == 1 else {
        "description": " | ".join(dict.fromkeys(part["description"] for part in parts)), "anyOf": parts}
        for name, parts in found.items()}


def _search(space: Mapping[str, Schema]) -> Schema:
    score = {"type": "string", "minLength": 1}
    objective = {"anyOf": [score, _object({"score": score, "direction": {"enum": list(DIRECTIONS)}},
                                          required=("score",))]}
    plugins = {key: {"anyOf": [*_names(items), *map(_variant, items)]} for key, items in
               (("sampler", variants("search.samplers")), ("pruner", variants("search.pruners")))}
    budget = {key: {"type": "number" if key == "minutes" else "integer", "exclusiveMinimum": 0, "maximum": most}
              for key, most in BUDGET.items()}
    return _object(_described({
        **plugins, "objective": {"anyOf": [objective, _some(objective)]},
        "space": {**_object(space), "minProperties": 1}, "enqueue": {"type": "array", "items": {"type": "object"}},
        "budget": _object(_described(budget)), "storage": {"type": "string", "minLength": 1},
    }), required=("space",))


def _space(values: Mapping[str, Schema], kinds: Mapping[str, tuple[Variant, ...]], losses: tuple[Variant, ...]
           ) -> dict[str, Schema]:
    """Return the schema of each dimension of a space, by the setting that it varies."""
    space: dict[str, Schema] = {}
    for key, items in kinds.items():
        option = [*_names(items), *(_variant(item, _varied(item)) for item in items)]
        space[key] = {"description": MEANINGS[key], "anyOf": [{"const": AUTO}, _some({"anyOf": option})]}
    for loss in losses:
        option = [{"const": OFF}, {"const": ON}, _object(_varied(loss))]
        space[f"losses.{loss.name}"] = {"description": loss.summary, **_some({"anyOf": option})}
    space["losses"] = {"description": MEANINGS["losses"], **_some({"anyOf": [
        {"type": "array", "minItems": 1, "items": {"anyOf": _names(losses)}},
        {**_object({loss.name: _object(_varied(loss), nullable=True) for loss in losses}), "minProperties": 1}]})}
    return space | {path: _dimension(value) for path, value in values.items() if path not in space}


def _some(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _varied(item: Variant) -> dict[str, Schema]:
    """Return a variant's knobs inside a space: a fixed value, or a dimension."""
    return {name: {"description": part["description"], "anyOf": [part, *_dimension(part)["anyOf"]]}
            for name, part in _knobs(item).items()}


def _dimension(value: Schema) -> Schema:
    """Return a knob's schema in a space: a list of its values, a range if it has one, or auto."""
    ways = [{"const": AUTO}, _some({key: part for key, part in value.items() if key != "description"})]
    kinds = {part.get("type") for part in value.get("anyOf", [value])}
    if kinds & {"integer", "number"}:
        side = {"type": "number"}
        ways.append({**_object(dict(zip(BOUNDS, (side, side, {"type": "boolean"}, side), strict=True))),
                     "minProperties": 1})
    return {"description": value["description"], "anyOf": ways}


def _report() -> Schema:
    words = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    scores = {"type": "array", "minItems": 1, "items": {"type": "string", "examples": list(REPORTED)}}
    figure = _object({"score": {"type": "string"}, "value": {"type": "number"},
                      "source": {"type": "string", "minLength": 1}, "setting": {"type": "object"}},
                     required=("score", "value", "source"))
    parts: dict[str, Schema] = dict(zip(REPORT_KEYS, (words, {"type": "object"}, scores, scores, words,
                                   {"type": "array", "items": figure}), strict=True))
    return {**_object(_described(parts)), "type": ["object", "null"]}
