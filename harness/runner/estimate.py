"""The cost of a plan, estimated from finished trials of equal cost, or from a few steps measured now."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.runner.executors.base import Event, Executor, Failed, Stepped, Task

# Settings that do not change the time of a step; for losses, fusion and selection only the names do.
COST_FREE = ("seed", "steps", "learning_rate", "gate_learning_rate", "timestep", "sigma_px", "warp_degrees",
             "warp_scale", "warp_translate", "guidance")
STEPS = 3  # of a measured trial; the first one is a warm-up and does not count


@dataclass(frozen=True)
class Cost:
    """A trial's seconds outside its steps, its seconds per step, and peak memory in MB of the process and the GPU."""

    fixed: float
    per_step: float
    memory_mb: float
    gpu_memory_mb: float = 0.0

    def seconds(self, spec: TrialSpec) -> float:
        """Return the seconds of a whole trial."""
        return self.fixed + self.per_step * spec.steps


@dataclass(frozen=True)
class Estimate:
    """The trials to do: how many, how many of unknown cost, and the total seconds and peak memory of the rest."""

    trials: int
    unknown: int
    seconds: float
    memory_mb: float
    gpu_memory_mb: float


def cost_class(spec: TrialSpec) -> str:
    """Return a text that is equal for trials whose steps take equal time."""
    settings = {name: value for name, value in spec.to_dict().items() if name not in COST_FREE}
    settings |= {"fusion": spec.fusion.name, "selection": spec.selection.name,
                 "losses": sorted(loss.name for loss in spec.losses)}
    return json.dumps(settings, sort_keys=True)


def finished_costs(records: Iterable[Mapping[str, Any]], device: str) -> dict[str, Cost]:
    """Return the median cost of each cost class over the finished trials that ran on this device."""
    costs_by_class: dict[str, list[Cost]] = {}
    for record in records:
        cost, ran_on = record["cost"], record["environment"].get("device")
        if record["status"] == "finished" and ran_on == device and "seconds_total" in cost:
            spec = TrialSpec.from_dict(record["spec"])
            per_step = cost.get("seconds_per_step", 0.0)  # a trial of no steps has none
            fixed = cost["seconds_total"] - per_step * spec.steps
            costs_by_class.setdefault(cost_class(spec), []).append(Cost(
                max(0.0, fixed), per_step, cost.get("peak_memory_mb", 0.0),
                cost.get("peak_gpu_memory_mb", 0.0)))
    return {key: Cost(*(statistics.median(values) for values in zip(*map(astuple, costs), strict=True)))
            for key, costs in costs_by_class.items()}


def measure(spec: TrialSpec, executor: Executor) -> Cost:
    """Run a few steps of one trial with all of its scoring, and return its cost; raise UsageError if it fails.

    The time to load model and data counts, so that the first trial of a cost class is not underestimated.
    """
    events: list[Event] = []
    executor.submit(Task("measured", replace(spec, steps=STEPS), "measured"))
    while not events or isinstance(events[-1], Stepped):
        executor.wait(events.append)
    end = next(event for event in events if not isinstance(event, Stepped))
    if isinstance(end, Failed) or end.result.status != "finished":
        reason = end.reason if isinstance(end, Failed) else end.result.reason
        raise UsageError(f"the measured trial failed: {reason}")
    steps, cost = [event.step for event in events if isinstance(event, Stepped)], end.result.cost
    first, last = steps[0], steps[-1]
    per_step = (last.seconds - first.seconds) / (last.step - first.step) if last.step > first.step else last.seconds
    return Cost(max(0.0, cost["seconds_total"] - last.seconds), per_step, cost.get("peak_memory_mb", 0.0),
                cost.get("peak_gpu_memory_mb", 0.0))


def estimate(specs: Sequence[TrialSpec], costs: Mapping[str, Cost]) -> Estimate:
    """Return the cost of all trials, run one after the other."""
    pairs = [(spec, costs.get(cost_class(spec))) for spec in specs]
    known = [(spec, cost) for spec, cost in pairs if cost is not None]
    return Estimate(len(specs), len(specs) - len(known), sum(cost.seconds(spec) for spec, cost in known),
                    max((cost.memory_mb for _, cost in known), default=0.0),
                    max((cost.gpu_memory_mb for _, cost in known), default=0.0))
