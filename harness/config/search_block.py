"""The `search:` block: sampler, pruner, objectives, budget; its space is read in `space_block`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.config.enqueue_block import read_enqueue
from harness.config.idle import effective
from harness.config.located_yaml import Located
from harness.config.scores import find_score, needed_setting
from harness.config.settings import assign_all, check_knobs, describe, expect_mapping, fill_defaults, locate, resolve
from harness.config.space import OFF, Params
from harness.config.space_block import read_space
from harness.config.spec import Budget, Choice, Objective, SearchSpec, TrialSpec
from harness.errors import UsageError, nearest
from harness.registry import build

KEYS = ("sampler", "pruner", "objective", "space", "enqueue", "budget", "storage")
DEFAULT = {"sampler": "tpe", "pruner": "none", "objective": "pck_fit@0.1"}
DIRECTIONS = ("maximize", "minimize")
BUDGET = {"trials": 1_000_000, "minutes": 1_000_000, "failures": 1_000_000}  # upper limits


def read_search(block: Located, trial: Located | None, seeds: int) -> SearchSpec:
    """Return the checked search; ``trial`` fixes the settings that it does not vary. UsageError names file and line."""
    keys = expect_mapping(block, "search", KEYS)
    if "space" not in keys:
        raise UsageError(f"{block.where}: search: the key 'space' is missing")
    defaults = {key: Located(value, "default") for key, value in DEFAULT.items()}
    fixed = fill_defaults(trial)
    space = read_space(keys["space"], fixed)
    search = SearchSpec(
        space, {key: value.plain for key, value in fixed.items()},
        _objectives(keys.get("objective", defaults["objective"])),
        _choice("samplers", keys.get("sampler", defaults["sampler"])),
        _choice("pruners", keys.get("pruner", defaults["pruner"])),
        read_enqueue(keys["enqueue"], space) if "enqueue" in keys else (),
        _budget(keys["budget"], seeds) if "budget" in keys else Budget(),
        _text(keys["storage"], "search.storage") if "storage" in keys else "",
    )
    specs = [resolve_params(search, params) for params in space.corners()]
    _check_scored(search, specs, keys.get("objective", defaults["objective"]).where)
    _check_together(search, keys, seeds)
    return search


def resolve_params(search: SearchSpec, params: Params, seed: int = 0) -> TrialSpec:
    """Return the trial that belongs to the study's parameters; UsageError if the settings do not go together.

    A fusion that cannot act is the baseline, so that the search pays for both once.
    """
    spec = read_params(search, params)
    return replace(spec, seed=seed, **effective(spec))


def read_params(search: SearchSpec, params: Params) -> TrialSpec:
    """Return the settings of the study's parameters as they are written."""
    _, drawn = search.space.draw(lambda dimension: params[dimension.name])
    settings = {key: locate(value, "trial") for key, value in search.fixed.items()}
    absent = {path.partition(".")[2] for path, value in drawn.items() if value == OFF and path.startswith("losses.")}
    losses = settings["losses"]
    kept = {name: value for name, value in losses.value.items() if name not in absent}
    settings["losses"] = Located(kept, losses.where)
    places = search.space.places
    changes = {path: locate(value, places.get(path, "search.space")) for path, value in drawn.items() if value != OFF}
    spec = resolve(assign_all(settings, changes, "search.space."))
    if not spec.losses:
        place = next(places.get(path, "search.space") for path in drawn if path.startswith("losses."))
        raise UsageError(f"{place}: search.space: with every loss off there is nothing to optimise")
    return spec


def _choice(kind: str, value: Located) -> Choice:
    label = f"search.{kind.removesuffix('s')}"
    knobs = {"name": value} if isinstance(value.value, str) else dict(expect_mapping(value, label))
    if "name" not in knobs or not isinstance(knobs["name"].value, str):
        raise UsageError(f"{value.where}: {label}: expected a name, or a mapping with 'name', found {describe(value)}")
    name = knobs.pop("name").value
    return Choice(name, check_knobs(f"search.{kind}", name, label, Located(knobs, value.where)))


def _objectives(value: Located) -> tuple[Objective, ...]:
    items = value.value if isinstance(value.value, tuple) else (value,)
    objectives: list[Objective] = []
    for item in items:
        objective = _objective(item)
        if objective.score in (earlier.score for earlier in objectives):
            raise UsageError(f"{item.where}: search.objective: {objective.score!r} is listed twice")
        objectives.append(objective)
    if not objectives:
        raise UsageError(f"{value.where}: search.objective: expected at least one score")
    return tuple(objectives)


def _objective(item: Located) -> Objective:
    label = "search.objective"
    keys = {"score": item} if isinstance(item.value, str) else expect_mapping(item, label, ("score", "direction"))
    if "score" not in keys:
        raise UsageError(f"{item.where}: {label}: the key 'score' is missing")
    score = find_score(_text(keys["score"], label), f"{keys['score'].where}: {label}")
    if score.source == "labels":
        raise UsageError(f"{keys['score'].where}: {label}: {score.name} is scored with the test split's labels, and "
                         f"choosing by it flatters what is chosen; use pck_fit@0.1, and read {score.name} afterwards")
    direction = _text(keys["direction"], f"{label}.direction") if "direction" in keys else score.direction
    if direction not in DIRECTIONS:
        where = keys["direction"].where
        raise UsageError(f"{where}: {label}.direction: unknown value {direction!r}{nearest(direction, DIRECTIONS)}")
    return Objective(score.name, direction)


def _budget(value: Located, seeds: int) -> Budget:
    limits: dict[str, Any] = {}
    for key, item in expect_mapping(value, "search.budget", BUDGET).items():
        number, whole = item.value, key != "minutes"
        if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
            expected = "a whole number" if whole else "a number"
            raise UsageError(f"{item.where}: search.budget.{key}: {item.plain!r} is not valid; expected {expected}")
        if not 0 < number <= BUDGET[key]:
            raise UsageError(f"{item.where}: search.budget.{key}: {number} is out of range; expected more than 0")
        limits[key] = number
    if limits.get("trials", seeds) < seeds:
        raise UsageError(f"{value.value['trials'].where}: search.budget.trials: {limits['trials']} trials do not hold "
                         f"one setting of {seeds} seeds")
    return Budget(**limits)


def _text(value: Located, label: str) -> str:
    if not isinstance(value.value, str) or not value.value:
        raise UsageError(f"{value.where}: {label}: expected a word, found {describe(value)}")
    return value.value


def _check_scored(search: SearchSpec, specs: Sequence[TrialSpec], where: str) -> None:
    """Refuse an objective that no setting of the space has."""
    for objective in search.objectives:
        needed = needed_setting(objective.score)
        if needed and not any(getattr(spec, needed) for spec in specs):
            value = str(getattr(specs[0], needed)).lower()
            raise UsageError(f"{where}: search.objective: no trial has {objective.score} with {needed}: {value}; set "
                             f"trial.{needed}, or choose another objective")


def _check_together(search: SearchSpec, keys: Mapping[str, Located], seeds: int) -> None:
    """Refuse combinations of sampler, pruner, objectives, space and budget that are not valid together."""
    sampler = build("search.samplers", search.sampler.name, search.sampler.knobs)
    pruner = build("search.pruners", search.pruner.name, search.pruner.knobs)
    several = len(search.objectives) > 1
    if several and not sampler.several:
        raise UsageError(f"{keys['sampler'].where}: search.sampler: {search.sampler.name} searches for one objective, "
                         f"not {len(search.objectives)}")
    if sampler.exhaustive and search.space.size is None:
        endless = next(d for d, _ in search.space.walk() if getattr(d, "values", tuple)() is None)
        raise UsageError(f"{keys['sampler'].where}: search.sampler: a grid over {endless.name} has no end; give it a "
                         f"list, or a 'step' without 'log'")
    if not sampler.exhaustive and search.budget.trials is None and search.budget.minutes is None:
        where = keys["budget"].where if "budget" in keys else keys["space"].where
        raise UsageError(f"{where}: search.budget: {search.sampler.name} never ends by itself; give trials or minutes")
    if pruner.reading:
        _check_pruner(search, pruner, keys["pruner"].where, seeds)


def _check_pruner(search: SearchSpec, pruner: Any, where: str, seeds: int) -> None:
    label, (first, *others) = f"{where}: search.pruner", search.objectives
    if others:
        raise UsageError(f"{label}: a setting cannot be pruned by {len(search.objectives)} objectives; use none")
    if pruner.reading in ("step", "scene") and find_score(first.score, label).source != "fit":
        raise UsageError(f"{label}: by {pruner.reading}, pck_fit@... is what is read, not {first.score}")
    if pruner.reading == "scene" and first.score != "pck_fit@0.1":
        raise UsageError(f"{label}: scene by scene, pck_fit@0.1 alone is kept, not {first.score}")
    fewest = {"seed": pruner.fewest() + 1, "scene": 2}.get(pruner.reading, 1)
    if seeds < fewest:
        raise UsageError(f"{label}: by {pruner.reading}, nothing can be pruned with fewer than {fewest} seeds; there "
                         f"{'is' if seeds == 1 else 'are'} {seeds}")
