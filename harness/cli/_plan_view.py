"""A plan on the screen: its trials, what is done, and what the rest will cost."""

import argparse
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.cli._executor_options import executor_of
from harness.cli._options import counts

if TYPE_CHECKING:
    from harness.config.spec import TrialSpec
    from harness.runner.estimate import Cost, Estimate
    from harness.search.trial_source import Planned
    from harness.store.store import Store

MEASURED = "a few measured steps"


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
    from harness.runner.estimate import estimate

    before = known_costs(record for trial in store.known() if (record := store.record(trial)))
    costs = before | (measured(unfinished, before, store, args) if args.measure else {})
    found = estimate(unfinished, costs)
    most = f"{found.trials - found.unknown} trials"
    yield from told(found, len(before), len(costs) - len(before), args.workers or 1, most=most)


def known_costs(records: "Iterable[Mapping[str, Any]]") -> "dict[str, Cost]":
    """Return what each kind of finished trials has cost on this device."""
    from harness.runner import environment
    from harness.runner.estimate import finished_costs

    return finished_costs(records, environment.machine()["device"])


def told(found: "Estimate", before: int, measured: int, workers: int, *, most: str) -> Iterator[str]:
    """Yield an estimate in words; ``before`` and ``measured`` are how many kinds it comes from, ``most`` of what."""
    from harness.cli._progress_lines import duration
    from harness.runner import environment

    if found.unknown == found.trials:
        yield "cost: unknown, since nothing like it finished on this device; --measure runs a few steps of each kind"
        return
    device = environment.machine()["device"]
    sources = [text for text, given in ((f"finished trials of {_kinds(before)} on {device}", before),
                                        (f"{MEASURED} of {_kinds(measured)}", measured)) if given]
    shared = f", {duration(found.seconds / workers)} with {workers}" if workers > 1 else ""
    hours = f", {found.seconds / 3600:.2f} GPU-hours" if found.gpu_memory_mb else ", no GPU"
    memory = f"; {found.memory_mb:.0f} MB of memory each"
    gpu = f", {found.gpu_memory_mb:.0f} MB of GPU memory" if found.gpu_memory_mb else ""
    yield f"cost: {most}, {duration(found.seconds)} of one worker{shared}{hours}{memory}{gpu}"
    if found.unknown:
        yield f"      {found.unknown} more of kinds that nothing is known of"
    yield f"      from {' and '.join(sources)}"


def _kinds(count: int) -> str:
    return f"{count} kind" + "s" * (count != 1)


def measured(unfinished: "list[TrialSpec]", costs: "dict[str, Cost]", store: "Store",
             args: argparse.Namespace) -> "dict[str, Cost]":
    """Measure one trial of each kind that no cost is known of."""
    from harness.runner.estimate import cost_class, measure

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
