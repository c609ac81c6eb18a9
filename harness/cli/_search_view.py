"""Prints the screen of a search before it starts: its space, its budget and its largest cost."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from harness.cli._options import format_counts
from harness.cli._plan_images import Counts, image_line
from harness.cli._plan_view import cost_lines, known_costs, measure_costs
from harness.config.search_block import resolve_params
from harness.config.space import Options, Params, Range
from harness.config.spec import Experiment, SearchSpec, TrialSpec
from harness.runner.estimate import Cost, cost_class, estimate
from harness.search.setting import format_params, params_in_space
from harness.store.store import Store

SPENT = ("finished", "pruned")  # statuses of trials that no later call runs again


def show_search(experiment: Experiment, search: SearchSpec, store: Store, args: argparse.Namespace) -> None:
    """Print the space, the budget and the largest cost of a search; only --measure runs trials."""
    from harness.search.feasibility import check_space

    check_space(search)
    if experiment.remark:
        print(f"warning: {experiment.remark}", file=sys.stderr)
    records = store.records()
    ours = [record for record in records if record["status"] in SPENT and params_in_space(search, record["spec"])]
    left = _left(search, len(experiment.seeds), len(ours))
    before = known_costs(record for record in ours if record["status"] == "finished")
    first = _first(search)
    setting = resolve_params(search, first, seed=experiment.seeds[0])
    costs = before | (measure_costs([setting], before, store, args) if args.measure and left != 0 else {})
    specs = [_slowest(search, setting, costs, ours)] * (1 if left is None else left)
    images = _images(search)
    most = dict(zip(("first", "further"), map(max, zip(*images, strict=True)), strict=True))
    cost = estimate(specs, costs)
    recorded = format_counts(record["status"] for record in records)
    if args.json:
        print(json.dumps({**_plain(experiment, search), "recorded": recorded, "unet_images": most,
                          "cost": None if cost.unknown or not specs else asdict(cost)}, indent=1))
        return
    _show_space(experiment, search, recorded)
    if not specs:
        return
    subject = "each trial" if left is None else f"at most {left} trials"
    for line in cost_lines(cost, len(before), len(costs) - len(before), args.workers or 1, subject=subject):
        print(line)
    if not cost.unknown:
        kind = "of the slowest kind" if before else f"the first: {format_params(first)}"
        print(f"      as if every setting were {kind}")
    print(image_line(images))


def _show_space(experiment: Experiment, search: SearchSpec, recorded: str) -> None:
    """Print the dimensions, the enqueued settings, the objectives and the budget."""
    for dimension, needs in search.space.walk():
        with_ = f"  (with {', '.join(f'{name}={value}' for name, value in needs.items())})" if needs else ""
        print(f"{dimension.name:<32} {_domain(dimension)}{with_}")
    for params in search.enqueue:
        print(f"first: {format_params(params)}")
    objectives = ", ".join(f"{objective.direction} {objective.score}" for objective in search.objectives)
    methods = f"sampler {search.sampler.name}, pruner {search.pruner.name}"
    seeds = len(experiment.seeds)
    print(f"{objectives}: mean over {seeds} seed{'s' * (seeds > 1)}; {methods}")
    cells = "" if search.space.size is None else f"; {search.space.size} settings in all"
    limits = ", ".join(f"{value:g} {key}" for key, value in _budget(search).items())
    print(f"budget: {limits or 'none'}{cells}; recorded: {recorded}")


def _plain(experiment: Experiment, search: SearchSpec) -> dict[str, Any]:
    return {"experiment": experiment.name, "sampler": search.sampler.to_dict(), "pruner": search.pruner.to_dict(),
            "objective": [asdict(each) for each in search.objectives], "seeds": experiment.seeds,
            "budget": _budget(search), "cells": search.space.size, "space": search.space.to_dict(),
            "enqueue": search.enqueue}


def _budget(search: SearchSpec) -> dict[str, Any]:
    return {key: value for key, value in asdict(search.budget).items() if value is not None}


def _left(search: SearchSpec, seeds: int, spent: int) -> int | None:
    """Return the largest number of trials that are left; None if only time ends the search."""
    limits = [limit for limit in (search.budget.trials, search.space.size and search.space.size * seeds)
              if limit is not None]
    return max(0, min(limits) // seeds * seeds - spent) if limits else None


def _first(search: SearchSpec) -> Params:
    """Return the first enqueued setting; parameters that it leaves open get the first option or the highest number."""
    enqueued = search.enqueue[0] if search.enqueue else {}

    def pick(dimension: Range | Options) -> Any:
        default = dimension.labels[0] if isinstance(dimension, Options) else dimension.high
        return enqueued.get(dimension.name, default)

    return search.space.draw(pick)[0]


def _slowest(search: SearchSpec, setting: TrialSpec, costs: Mapping[str, Cost],
             records: Iterable[Mapping[str, Any]]) -> TrialSpec:
    """Return the slowest trial whose kind has a known cost, with the largest number of steps in the space."""
    steps = max(resolve_params(search, params).steps for params in search.space.corners())
    kinds = {cost_class(spec): replace(spec, steps=steps)
             for spec in (setting, *(TrialSpec.from_dict(record["spec"]) for record in records))}
    with_cost = [spec for kind, spec in kinds.items() if kind in costs]
    return max(with_cost, key=lambda spec: costs[cost_class(spec)].seconds(spec), default=setting)


def _images(search: SearchSpec) -> list[tuple[int, int]]:
    """Return the UNet images of settings that cover every pair of the space's extreme values."""
    counts = Counts()
    return [counts.of(resolve_params(search, params)) for params in search.space.corners(every=True)]


def _domain(dimension: Range | Options) -> str:
    if not isinstance(dimension, Range):
        return " | ".join(map(str, dimension.labels))
    scale = ", log" if dimension.log else f", by {dimension.step:g}" if dimension.step else ""
    return f"{dimension.low:g} to {dimension.high:g}{scale}"
