"""Prints the screen of a plan: its trials, their status, and the estimated cost of the unfinished ones."""

import argparse
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.cli._executor_options import executor_of
from harness.cli._options import format_counts
from harness.cli._plan_images import Counts, image_line
from harness.cli._progress_lines import duration
from harness.config.spec import TrialSpec
from harness.runner import environment
from harness.runner.estimate import Cost, Estimate, cost_class, estimate, finished_costs, measure
from harness.search.trial_source import PlannedTrial
from harness.store.store import Store

MEASURED = "a few measured steps"


def add_measure(parser: argparse.ArgumentParser) -> None:
    """Declare --measure."""
    parser.add_argument("--measure", action="store_true",
                        help="with a plan: run a few steps of each kind of trial here and estimate the total cost")


def show_plan(trials: Iterable[PlannedTrial], store: Store, args: argparse.Namespace, *,
              force: bool = False, remark: str = "") -> None:
    """Print id, status and label of each planned trial as soon as it is known, then the cost of the unfinished ones.

    The cost ends with the images that the UNet will process.
    """
    if remark:
        print(f"warning: {remark}", file=sys.stderr)
    if args.json:
        _print_json(trials)
        return
    statuses: Counter[str] = Counter()
    unfinished: list[TrialSpec] = []
    has_costs = args.measure or any(store.started_ids())  # without any record all costs are unknown
    counts, images = Counts(), set()
    for trial in trials:
        print(f"{trial.id}  {trial.status:<11}  {trial.label}")
        statuses[trial.status] += 1
        if force or trial.status != "finished":
            images.add(counts.of(trial.spec))
            if has_costs:
                unfinished.append(trial.spec)
    print(f"{statuses.total()} planned: {format_counts(statuses.elements())}")
    if images and not has_costs:
        print("cost: unknown, since nothing like it has finished here; --measure runs a few steps of each kind")
    for line in _estimate(unfinished, store, args) if unfinished else ():
        print(line)
    if images:
        print(image_line(images))


def _print_json(trials: Iterable[PlannedTrial]) -> None:
    """Print a JSON list entry by entry, so that a large plan is never held in memory."""
    first, counts = True, Counts()
    for t in trials:
        images = dict(zip(("first", "further"), counts.of(t.spec), strict=True))
        entry = {"id": t.id, "label": t.label, "status": t.status, "unet_images": images, "settings": t.spec.to_dict()}
        print("[" if first else ",", textwrap.indent(json.dumps(entry, indent=1), " "), sep="\n", end="")
        first = False
    print("[]" if first else "\n]")


def _estimate(unfinished: list[TrialSpec], store: Store, args: argparse.Namespace) -> Iterator[str]:
    before = known_costs(record for trial in store.started_ids() if (record := store.record(trial)))
    costs = before | (measure_costs(unfinished, before, store, args) if args.measure else {})
    cost = estimate(unfinished, costs)
    subject = f"{cost.trials - cost.unknown} trials"
    yield from cost_lines(cost, len(before), len(costs) - len(before), args.workers or 1, subject=subject)


def known_costs(records: Iterable[Mapping[str, Any]]) -> dict[str, Cost]:
    """Return the cost of each kind of finished trials on this device."""
    return finished_costs(records, environment.machine()["device"])


def cost_lines(cost: Estimate, before: int, measured: int, workers: int, *, subject: str) -> Iterator[str]:
    """Yield the lines of an estimate.

    ``before`` and ``measured`` count the kinds of trial that were finished and measured, ``subject`` is what it costs.
    """
    if cost.unknown == cost.trials:
        yield "cost: unknown, since nothing like it finished on this device; --measure runs a few steps of each kind"
        return
    device = environment.machine()["device"]
    sources = [text for text, count in ((f"finished trials of {_kinds(before)} on {device}", before),
                                        (f"{MEASURED} of {_kinds(measured)}", measured)) if count]
    shared = f", {duration(cost.seconds / workers)} with {workers}" if workers > 1 else ""
    hours = f", {cost.seconds / 3600:.2f} GPU-hours" if cost.gpu_memory_mb else ", no GPU"
    memory = f"; {cost.memory_mb:.0f} MB of memory each"
    gpu = f", {cost.gpu_memory_mb:.0f} MB of GPU memory" if cost.gpu_memory_mb else ""
    yield f"cost: {subject}, {duration(cost.seconds)} of one worker{shared}{hours}{memory}{gpu}"
    if cost.unknown:
        yield f"      and {cost.unknown} of kinds whose cost is unknown"
    yield f"      from {' and '.join(sources)}"


def _kinds(count: int) -> str:
    return f"{count} kind" + "s" * (count != 1)


def measure_costs(unfinished: list[TrialSpec], costs: dict[str, Cost], store: Store,
             args: argparse.Namespace) -> dict[str, Cost]:
    """Measure one trial of each kind whose cost is unknown; return the measured costs."""
    kinds: dict[str, TrialSpec] = {}
    for spec in unfinished:
        kinds.setdefault(cost_class(spec), spec)
    missing = {kind: spec for kind, spec in kinds.items() if kind not in costs}
    measured = {}
    if missing:
        with executor_of(args, store) as executor:
            for number, (kind, spec) in enumerate(missing.items(), start=1):
                print(f"measuring {number} of {len(missing)} kinds of trial", file=sys.stderr, flush=True)
                measured[kind] = measure(spec, executor)
    return measured
