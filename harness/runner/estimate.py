"""What a plan will cost: from finished trials alike in all that costs time, or from a few steps measured here."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.runner.executors.base import Done, Event, Executor, Failed, Stepped, Task

if TYPE_CHECKING:
    from harness.method.optimise import Step

# Settings that change what is computed, not how long it takes; of losses, fusion and selection the names count.
FREE = ("seed", "steps", "learning_rate", "gate_learning_rate", "timestep", "sigma_px", "warp_degrees", "warp_scale",
        "warp_translate", "guidance")
STEPS = 3  # of a measured trial; the first one warms up and is not counted


@dataclass(frozen=True)
class Cost:
    """Seconds of a trial apart from its steps, seconds of a step, and peak memory in MB of the process and the GPU."""

    fixed: float
    per_step: float
    memory_mb: float
    gpu_memory_mb: float = 0.0

    def seconds(self, spec: TrialSpec) -> float:
        """Return how long a trial takes."""
        return self.fixed + self.per_step * spec.steps


@dataclass(frozen=True)
class Estimate:
    """Of the trials to do: how many, how many of them no cost is known of, and what the others take together."""

    trials: int
    unknown: int
    seconds: float
    memory_mb: float
    gpu_memory_mb: float


def cost_class(spec: TrialSpec) -> str:
    """Return what trials that take the same time for a step have in common."""
    plain = {name: value for name, value in spec.to_dict().items() if name not in FREE}
    plain |= {"fusion": spec.fusion.name, "selection": spec.selection.name,
              "losses": sorted(loss.name for loss in spec.losses)}
    return json.dumps(plain, sort_keys=True)


def finished_costs(records: Iterable[Mapping[str, Any]], device: str) -> dict[str, Cost]:
    """Return the median cost of each class among the finished trials that ran on this device."""
    found: dict[str, list[Cost]] = {}
    for record in records:
        cost, where = record["cost"], record["environment"].get("device")
        if record["status"] == "finished" and where == device and {"seconds_total", "seconds_per_step"} <= cost.keys():
            spec = TrialSpec.from_dict(record["spec"])
            fixed = cost["seconds_total"] - cost["seconds_per_step"] * spec.steps
            found.setdefault(cost_class(spec), []).append(Cost(
                max(0.0, fixed), cost["seconds_per_step"], cost.get("peak_memory_mb", 0.0),
                cost.get("peak_gpu_memory_mb", 0.0)))
    return {key: Cost(*(statistics.median(values) for values in zip(*map(astuple, costs), strict=True)))
            for key, costs in found.items()}


def measure(spec: TrialSpec, executor: Executor) -> Cost:
    """Run a few steps of one trial, all of its scoring included, and return its cost; raise UsageError if it fails.

    What it loads is counted, so that a class is never thought cheaper than its first trial.
    """
    short = replace(spec, steps=STEPS)
    steps: list[Step] = []
    ended: list[Done | Failed] = []

    def handle(event: Event) -> None:
        if isinstance(event, Stepped):
            steps.append(event.step)
        else:
            ended.append(event)

    executor.submit(Task("measured", short, "measured"))
    while not ended:
        executor.wait(handle)
    event = ended[0]
    if isinstance(event, Failed) or event.result.status != "finished":
        reason = event.reason if isinstance(event, Failed) else event.result.reason
        raise UsageError(f"the measured trial failed: {reason}")
    cost, first, last = event.result.cost, steps[0], steps[-1]
    per_step = (last.seconds - first.seconds) / (last.step - first.step) if last.step > first.step else last.seconds
    return Cost(max(0.0, cost["seconds_total"] - last.seconds), per_step, cost.get("peak_memory_mb", 0.0),
                cost.get("peak_gpu_memory_mb", 0.0))


def estimate(specs: Sequence[TrialSpec], costs: Mapping[str, Cost]) -> Estimate:
    """Return what the trials take together, one after the other."""
    found = [(spec, costs.get(cost_class(spec))) for spec in specs]
    known = [(spec, cost) for spec, cost in found if cost is not None]
    return Estimate(len(specs), len(specs) - len(known), sum(cost.seconds(spec) for spec, cost in known),
                    max((cost.memory_mb for _, cost in known), default=0.0),
                    max((cost.gpu_memory_mb for _, cost in known), default=0.0))
