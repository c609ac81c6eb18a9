"""A plan on the screen: its trials, what is done, and what the rest will cost."""

import argparse
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from harness.commands._executors import executor_of
from harness.commands._shared import counts

MEASURED = "a few measured steps"

if TYPE_CHECKING:
    from harness.coordinator.estimate import Cost
    from harness.search._base import Planned
    from harness.spec import TrialSpec
    from harness.store import Store


def add_measure(parser: argparse.ArgumentParser) -> None:
    """Declare --measure."""
    parser.add_argument("--measure", action="store_true",
                        help="with a plan: run a few steps of each kind of trial here and tell what the rest will cost")


def show_plan(trials: "Iterable[Planned]", store: "Store", args: argparse.Namespace, *, force: bool = False) -> None:
    """Print ids, settings and status of planned trials, each as soon as it is known, and an estimate of the rest."""
    if args.json:
        _print_json(trials)
        return
    met: Counter[str] = Counter()
    unfinished: list[TrialSpec] = []
    known = args.measure or any(store.known())  # else nothing can be told of costs, and nothing need be remembered
    left = False
    for trial in trials:
        print(f"{trial.id}  {trial.status:<11}  {trial.label}")
        met[trial.status] += 1
        if force or trial.status != "finished":
            left = True
            if known:
                unfinished.append(trial.spec)
    print(f"{met.total()} planned: {counts(met.elements())}")
    if left and not known:
        print("cost: unknown, since nothing like it has finished here; --measure runs a few steps of each kind")
    for line in _estimate(unfinished, store, args) if unfinished else ():
        print(line)


def _print_json(trials: "Iterable[Planned]") -> None:
    """Print a list, an entry at a time: a large plan never stands in memory."""
    first = True
    for t in trials:
        entry = {"id": t.id, "label": t.label, "status": t.status, "settings": t.spec.to_dict()}
        print("[" if first else ",", textwrap.indent(json.dumps(entry, indent=1), " "), sep="\n", end="")
        first = False
    print("[]" if first else "\n]")


def _estimate(unfinished: "list[TrialSpec]", store: "Store", args: argparse.Namespace) -> Iterator[str]:
    from harness import environment
    from harness.commands._progress import duration
    from harness.coordinator.estimate import estimate, finished_costs

    device = environment.machine()["device"]
    costs = finished_costs((record for trial in store.known() if (record := store.record(trial))), device)
    before = len(costs)
    if args.measure:
        costs |= _measured(unfinished, costs, store, args)
    found = estimate(unfinished, costs)
    sources = [text for text, given in ((f"finished trials of {_kinds(before)} on {device}", before),
                                        (f"{MEASURED} of {_kinds(len(costs) - before)}", len(costs) > before)) if given]
    if found.unknown == found.trials:
        yield "cost: unknown, since nothing like it finished on this device; --measure runs a few steps of each kind"
        return
    workers = args.workers or 1
    total = f"{duration(found.seconds)} of one worker"
    shared = f", {duration(found.seconds / workers)} with {workers}" if workers > 1 else ""
    hours = f", {found.seconds / 3600:.2f} GPU-hours" if found.gpu_memory_mb else ", no GPU"
    memory = f"; {found.memory_mb:.0f} MB of memory each"
    gpu = f", {found.gpu_memory_mb:.0f} MB of GPU memory" if found.gpu_memory_mb else ""
    yield f"cost: {found.trials - found.unknown} trials, {total}{shared}{hours}{memory}{gpu}"
    if found.unknown:
        yield f"      {found.unknown} more of kinds that nothing is known of"
    yield f"      from {' and '.join(sources)}"


def _kinds(count: int) -> str:
    return f"{count} kind" + "s" * (count != 1)


def _measured(unfinished: "list[TrialSpec]", costs: "dict[str, Cost]", store: "Store",
              args: argparse.Namespace) -> "dict[str, Cost]":
    """Measure one trial of each kind that no cost is known of."""
    from harness.coordinator.estimate import cost_class, measure

    kinds: dict[str, TrialSpec] = {}
    for spec in unfinished:
        kinds.setdefault(cost_class(spec), spec)
    missing = {kind: spec for kind, spec in kinds.items() if kind not in costs}
    found = {}
    if missing:
        with executor_of(args, store) as executor:
            for number, (kind, spec) in enumerate(missing.items(), start=1):
                print(f"measuring {number} of {len(missing)} kinds of trial", file=sys.stderr, flush=True)
                found[kind] = measure(spec, executor)
    return found
