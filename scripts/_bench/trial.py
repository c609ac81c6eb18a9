"""Where the seconds of a shipped trial go, stage by stage, beside one forward pass of its UNet.

The first trial of a process loads and encodes; its stages are listed apart. Later ones share the session and differ in
their seed, so they read their own tokens, trained and untrained.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from _bench._turns import once, paired

STAGES = {  # function of `harness.method.trial` -> stage
    "open_session": "load", "_splits": "encode", "optimise": "optimise", "capture_residuals": "check capture",
    "view_errors": "view errors", "_painted": "generated views", "exhibit": "exhibit",
}
READINGS = {"of": "read trained tokens", "untrained": "read untrained tokens"}


def measure(experiment: str = "fusion", number: int = 3, rounds: int = 3, **changes: Any) -> dict[str, Any]:
    """Return the stages of the experiment's trial of that number, with some settings changed."""
    with tempfile.TemporaryDirectory(prefix="bench-trial-") as folder:
        found: dict[str, Any] = once(stages, experiment=experiment, number=number, rounds=rounds, changes=changes,
                                     cache=folder)
    return found


def stages(experiment: str, number: int, rounds: int, changes: dict[str, Any], cache: str) -> dict[str, Any]:
    """Run the trials in this process, whose functions it replaces by timed ones."""
    os.environ["HARNESS_CACHE"] = cache
    from harness.config.load import load
    from harness.method import forward, session, trial
    from harness.method.readings import Readings

    spec = replace(load(experiment).trials[number], **changes)
    spent: dict[str, float] = {}
    for name, stage in STAGES.items():
        setattr(trial, name, _timed(getattr(trial, name), stage, spent))
    for name, stage in READINGS.items():
        setattr(Readings, name, _timed(getattr(Readings, name), stage, spent))
    forward.forced_error = _timed(forward.forced_error, "optimise: nvs", spent)

    def seconds(seed: int) -> dict[str, float]:
        spent.clear()
        began = time.process_time()
        result = trial.run(replace(spec, seed=seed))
        if result.status != "finished":
            raise RuntimeError(f"the trial of the measurement failed: {result.reason}")
        whole = time.process_time() - began
        rest = whole - sum(value for stage, value in spent.items() if ":" not in stage)
        return {"bare forward": _forward_seconds(model()), **spent, "scores and the rest": rest, "whole trial": whole}

    def model() -> Any:
        return session.open_session(spec)[0].model

    first = seconds(0)
    later = [seconds(seed) for seed in range(1, rounds + 1)]
    by_stage = {stage: [found[stage] for found in later] for stage in later[0] if stage not in ("load", "encode")}
    title = f"{experiment}, {spec.fusion.name}, {spec.steps} steps, a later trial"
    return {"groups": {title: paired("bare forward", by_stage)},
            "first_trial": {stage: round(value, 3) for stage, value in first.items()}}


def _timed(function: Callable[..., Any], stage: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            spent[stage] = spent.get(stage, 0.0) + time.process_time() - began

    return timed


def _forward_seconds(model: Any, times: int = 5) -> float:
    """Return the processor seconds of one canvas through the UNet, without harness code between."""
    import torch

    side = model.unet.config.sample_size
    views = torch.zeros(1, model.unet.config.in_channels, side, side, device=model.device, dtype=model.dtype)
    context = model.text.to(model.dtype)
    with torch.no_grad():
        model.unet(views, 0, encoder_hidden_states=context)
        began = time.process_time()
        for _ in range(times):
            model.unet(views, 0, encoder_hidden_states=context)
    return (time.process_time() - began) / times
