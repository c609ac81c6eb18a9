"""The throughput of two workers relative to one, on trials of one thread: at least 1.8 on two idle cores.

Both executors have started before, and take turns, so that other load on the machine affects both equally.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.config.spec import Choice, RunOptions, TrialSpec
from harness.runner.executors.base import Done, Event, Stepped, Task
from harness.runner.executors.processes import Processes

if TYPE_CHECKING:
    from harness.method.optimise import Step
    from harness.method.results import TrialResult

RUN = f"{__name__}:trial"
TARGET = 1.8


def trial(spec: TrialSpec, on_step: Callable[["Step"], None], options: RunOptions) -> "TrialResult":
    """Multiply matrices that fit into a core's cache for some tenths of a second, and report steps as a trial does."""
    import torch

    from harness.method.optimise import Step
    from harness.method.results import TrialResult

    factor = torch.eye(192) + 1e-3
    product = factor
    for step in range(spec.steps):
        for _ in range(60):
            product = torch.nn.functional.normalize(product @ factor)
        on_step(Step(step + 1, spec.steps, {"loss": 0.0}, 0.0))
    return TrialResult("finished", "", {"norm": float(product.norm())}, {}, {}, {}, {"tokens": product}, None, {})


def measure(trials: int = 8, rounds: int = 3, steps: int = 60) -> dict[str, Any]:
    """Return the seconds of each round on one worker and on two, and the median ratio of throughputs."""
    with Processes(RUN, workers=1, threads=1, devices=()) as one, Processes(RUN, workers=2, threads=1,
                                                                          devices=()) as two:
        for executor in (one, two):
            _seconds(executor, executor.workers, steps=1)  # imports
        seconds = [(_seconds(one, trials, steps), _seconds(two, trials, steps)) for _ in range(rounds)]
    ratio = statistics.median(alone / shared for alone, shared in seconds)
    return {"one_worker_s": [round(alone, 3) for alone, _ in seconds],
            "two_workers_s": [round(shared, 3) for _, shared in seconds], "ratio": round(ratio, 3), "target": TARGET}


def _seconds(executor: Processes, trials: int, steps: int) -> float:
    """Return the wall-clock seconds of ``trials`` trials, submitted as the coordinator does."""
    spec = TrialSpec(Choice("bench"), Choice("bench"), Choice("bench"), Choice("bench"), losses=(), steps=steps)
    waiting = [Task(str(seed), replace(spec, seed=seed)) for seed in range(trials)]
    ended: list[Event] = []

    def handle(event: Event) -> None:
        if not isinstance(event, Stepped):
            ended.append(event)

    began = time.perf_counter()
    while len(ended) < trials:
        while waiting and trials - len(waiting) - len(ended) < executor.workers:
            executor.submit(waiting.pop())
        executor.wait(handle)
    seconds = time.perf_counter() - began
    failed = [event for event in ended if not isinstance(event, Done)]
    if failed:
        raise RuntimeError(f"a trial of the measurement failed: {failed[0]}")
    return seconds
