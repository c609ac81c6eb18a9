"""The `search:` block: sampler, pruner, objectives, budget; its space is read in `_space`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.config.enqueue_block import enqueued
from harness.config.located_yaml import Located
from harness.config.scores import score
from harness.config.settings import assign_all, base, checked, described, located, mapping, resolve
from harness.config.space import OFF, Params
from harness.config.space_block import read_space
from harness.config.spec import Budget, Choice, Objective, SearchSpec, TrialSpec
from harness.errors import UsageError, nearest
from harness.registry import build

KEYS = ("sampler", "pruner", "objective", "space", "enqueue", "budget", "storage")
DEFAULT = {"sampler": "tpe", "pruner": "none", "objective": "pck_fit@0.1"}
DIRECTIONS = ("maximize", "minimize")
BUDGET = {"trials": 1_000_000, "minutes": 1_000_000, "failures": 1_000_000}  # the largest of each


def read_search(block: Located, trial: Located | None, seeds: int) -> SearchSpec:
    """Return the checked search over the settings that ``trial`` fixes; UsageError names file and line."""
    given = mapping(block, "search")
    for key, value in given.items():
        if key not in KEYS:
            raise UsageError(f"{value.where}: search: unknown key {key!r}{nearest(key, KEYS)}")
    if "space" not in given:
        raise UsageError(f"{block.where}: search: the key 'space' is missing")
    defaults = {key: Located(value, "default") for key, value in DEFAULT.items()}
    fixed = base(trial)
    space = read_space(given["space"], fixed)
    search = SearchSpec(
        space, {key: value.plain for key, value in fixed.items()},
        _objectives(given.get("objective", defaults["objective"])),
        _choice("samplers", given.get("sampler", defaults["sampler"])),
        _choice("pruners", given.get("pruner", defaults["pruner"])),
        enqueued(given["enqueue"], space) if "enqueue" in given else (),
        _budget(given["budget"], seeds) if "budget" in given else Budget(),
        _text(given["storage"], "search.storage") if "storage" in given else "",
    )
    for params in space.corners():
        settled(search, params)
    _check_together(search, given, seeds)
    return search


def settled(search: SearchSpec, params: Params, seed: int = 0) -> TrialSpec:
    """Return the setting that drawn parameters stand for; UsageError where the parts do not go together."""
    _, given = search.space.draw(lambda dimension: params[dimension.name])
    settings = {key: located(value, "trial") for key, value in search.fixed.items()}
    absent = {path.partition(".")[2] for path, value in given.items() if value == OFF and path.startswith("losses.")}
    losses = settings["losses"]
    kept = {name: value for name, value in losses.value.items() if name not in absent}
    settings["losses"] = Located(kept, losses.where)
    where = search.space.places
    drawn = {path: located(value, where.get(path, "search.space")) for path, value in given.items() if value != OFF}
    spec = resolve(assign_all(settings, drawn, "search.space."))
    if not spec.losses:
        place = next(where.get(path, "search.space") for path in given if path.startswith("losses."))
        raise UsageError(f"{place}: search.space: with every loss off there is nothing to optimise")
    return replace(spec, seed=seed)


def _choice(kind: str, value: Located) -> Choice:
    label = f"search.{kind.removesuffix('s')}"
    knobs = {"name": value} if isinstance(value.value, str) else dict(mapping(value, label))
    if "name" not in knobs or not isinstance(knobs["name"].value, str):
        raise UsageError(f"{value.where}: {label}: expected a name, or a mapping with 'name', found {described(value)}")
    name = knobs.pop("name").value
    return Choice(name, checked(f"search.{kind}", name, label, Located(knobs, value.where)))


def _objectives(value: Located) -> tuple[Objective, ...]:
    items = value.value if isinstance(value.value, tuple) else (value,)
    found: list[Objective] = []
    for item in items:
        objective = _objective(item)
        if objective.score in (earlier.score for earlier in found):
            raise UsageError(f"{item.where}: search.objective: {objective.score!r} stands twice")
        found.append(objective)
    if not found:
        raise UsageError(f"{value.where}: search.objective: expected at least one score")
    return tuple(found)


def _objective(item: Located) -> Objective:
    label = "search.objective"
    given = {"score": item} if isinstance(item.value, str) else mapping(item, label)
    for key, value in given.items():
        if key not in ("score", "direction"):
            raise UsageError(f"{value.where}: {label}: unknown key {key!r}{nearest(key, ('score', 'direction'))}")
    if "score" not in given:
        raise UsageError(f"{item.where}: {label}: the key 'score' is missing")
    known = score(_text(given["score"], label), f"{given['score'].where}: {label}")
    if known.source == "labels":
        raise UsageError(f"{given['score'].where}: {label}: {known.name} is scored with the test split's labels, and "
                         f"choosing by it flatters what is chosen; use pck_fit@0.1, and read {known.name} afterwards")
    direction = _text(given["direction"], f"{label}.direction") if "direction" in given else known.direction
    if direction not in DIRECTIONS:
        where = given["direction"].where
        raise UsageError(f"{where}: {label}.direction: unknown value {direction!r}{nearest(direction, DIRECTIONS)}")
    return Objective(known.name, direction)


def _budget(value: Located, seeds: int) -> Budget:
    found: dict[str, Any] = {}
    for key, item in mapping(value, "search.budget").items():
        if key not in BUDGET:
            raise UsageError(f"{item.where}: search.budget: unknown key {key!r}{nearest(key, BUDGET)}")
        number, whole = item.value, key != "minutes"
        if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
            expected = "a whole number" if whole else "a number"
            raise UsageError(f"{item.where}: search.budget.{key}: {item.plain!r} is not valid; expected {expected}")
        if not 0 < number <= BUDGET[key]:
            raise UsageError(f"{item.where}: search.budget.{key}: {number} is out of range; expected more than 0")
        found[key] = number
    if found.get("trials", seeds) < seeds:
        raise UsageError(f"{value.value['trials'].where}: search.budget.trials: {found['trials']} trials do not hold "
                         f"one setting of {seeds} seeds")
    return Budget(**found)


def _text(value: Located, label: str) -> str:
    if not isinstance(value.value, str) or not value.value:
        raise UsageError(f"{value.where}: {label}: expected a word, found {described(value)}")
    return value.value


def _check_together(search: SearchSpec, given: Mapping[str, Located], seeds: int) -> None:
    """Refuse what each part allows and the parts together do not."""
    sampler = build("search.samplers", search.sampler.name, search.sampler.knobs)
    pruner = build("search.pruners", search.pruner.name, search.pruner.knobs)
    several = len(search.objectives) > 1
    if several and not sampler.several:
        raise UsageError(f"{given['sampler'].where}: search.sampler: {search.sampler.name} searches for one objective, "
                         f"not {len(search.objectives)}")
    if sampler.exhaustive and search.space.size is None:
        endless = next(d for d, _ in search.space.walk() if getattr(d, "values", tuple)() is None)
        raise UsageError(f"{given['sampler'].where}: search.sampler: a grid over {endless.name} has no end; give it a "
                         f"list, or a 'step' without 'log'")
    if not sampler.exhaustive and search.budget.trials is None and search.budget.minutes is None:
        where = given["budget"].where if "budget" in given else given["space"].where
        raise UsageError(f"{where}: search.budget: {search.sampler.name} has no end of its own; give trials or minutes")
    if pruner.reading:
        _check_pruner(search, pruner, given["pruner"].where, seeds)


def _check_pruner(search: SearchSpec, pruner: Any, where: str, seeds: int) -> None:
    label, (first, *others) = f"{where}: search.pruner", search.objectives
    if others:
        raise UsageError(f"{label}: a setting cannot be pruned by {len(search.objectives)} objectives; use none")
    if pruner.reading in ("step", "scene") and score(first.score, label).source != "fit":
        raise UsageError(f"{label}: by {pruner.reading}, pck_fit@... is what is read, not {first.score}")
    if pruner.reading == "scene" and first.score != "pck_fit@0.1":
        raise UsageError(f"{label}: scene by scene, pck_fit@0.1 alone is kept, not {first.score}")
    fewest = {"seed": pruner.fewest() + 1, "scene": 2}.get(pruner.reading, 1)
    if seeds < fewest:
        raise UsageError(f"{label}: by {pruner.reading}, nothing can be pruned with fewer than {fewest} seeds; there "
                         f"{'is' if seeds == 1 else 'are'} {seeds}")
