"""A trial that costs nothing. What it does is asked for through the fusion's knobs.

torch is imported late, so that processes that are only there to be killed start at once.
"""

import os
import signal
import sys
import time
from pathlib import Path

from harness.config.spec import Choice, TrialSpec
from harness.errors import UsageError
from harness.runner.executors.base import Stepped, Task

FINGERPRINTS = {"data": "d0", "weights": "w0"}


def spec(seed=0, **asked):
    """Return a spec whose fusion's knobs say what the fake trial does."""
    plain = Choice("fake", {})
    losses = (Choice("sharpening", {"weight": 100.0}),)
    return TrialSpec(plain, plain, Choice("fake", asked), plain, losses, seed=seed, steps=4)


def submit(executor, *specs):
    """Submit specs; a trial's id is its seed."""
    for given in specs:
        executor.submit(Task(str(given.seed), given))


def events(executor, ends=1):
    """Return what comes until so many trials have ended."""
    seen = []
    while sum(not isinstance(event, Stepped) for event in seen) < ends:
        executor.wait(seen.append, 60.0)
    return seen


def fingerprints(spec):
    return FINGERPRINTS


def result(spec, **changes):
    """Return what a fake trial of this spec leaves."""
    import torch

    from harness.method.results import TrialResult

    kept = {
        "status": "finished", "reason": "", "scores": {"pck@0.1": 0.5 + spec.seed, "nme": float("nan")},
        "cost": {"seconds_total": 0.25},
        "curve": {"step": [1.0, 2.0, 3.0, 4.0], "loss": [4.0, 3.0, 2.0, 1.0 + spec.seed]},
        "points": {"scene": [0, 0], "view": [0, 1], "keypoint": [0, 0], "error": [0.1, float("nan")],
                   "normaliser": [1.0, 1.0], "visible": [True, False]},
        "tokens": {"tokens": torch.arange(6.0).reshape(2, 3).t()}, "exhibit": None, "fingerprints": FINGERPRINTS,
        "keypoints": ("head", "hand"),
    }
    return TrialResult(**{**kept, **changes})


def run(spec, on_step, options):
    """Run: note that it ran, then step, obeying the knobs."""
    asked = spec.fusion.knobs
    if "journal" in asked:
        with Path(asked["journal"]).open("a") as journal:
            journal.write(f"{spec.seed} {os.getpid()}\n")
    if asked.get("print"):
        print("from the library")
    if asked.get("exit") is not None:
        os._exit(asked["exit"])
    if asked.get("stall_at") == 0:
        time.sleep(60)
    if "meet" in asked:
        meet(Path(asked["meet"]), spec.seed, asked["of"])
    if "await" in asked:
        until(Path(asked["await"]).exists)
    if asked.get("tell"):
        gpus, threads = (os.environ.get(name, "unset") for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"))
        # Of all ends the one that imports nothing more.
        raise UsageError(f"gpus={gpus} threads={threads} torch={'torch' in sys.modules}")
    from harness.method.optimise import Step

    for step in range(1, spec.steps + 1):
        time.sleep(asked.get("pace", 0.0))
        on_step(Step(step, spec.steps, {"loss": 1.0 / step}, 0.1 * step))
        if step == asked.get("stall_at"):
            time.sleep(60)
        if step == asked.get("die_at") and _runs_so_far(spec) <= asked.get("times", 1 << 30):
            os.kill(os.getpid(), signal.SIGKILL)
        if step == asked.get("raise_at"):
            raise ValueError("it went\nwrong")
    if asked.get("memory") or (options.micro_batch or spec.scenes_per_step) > asked.get("fits", 1 << 30):
        raise MemoryError
    if asked.get("misuse"):
        raise UsageError("fusion.fake: no such thing")
    if asked.get("big"):
        import torch

        return result(spec, tokens={"tokens": torch.full((asked["big"], 1000, 1000), 3.0)})
    return result(spec, **asked.get("changes", {}))


def _runs_so_far(spec):
    """Return how often this seed has run, itself included, as far as a journal tells."""
    journal = Path(spec.fusion.knobs.get("journal", os.devnull))
    return sum(line.split()[0] == str(spec.seed) for line in journal.read_text().splitlines())


def meet(folder, me, count):
    """Wait until ``count`` trials are here, which they only are if they run at the same time."""
    (folder / f"here-{me}").touch()
    until(lambda: len(list(folder.glob("here-*"))) >= count)


def until(condition, seconds=60.0):
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.02)
