"""What reading tokens costs per scene, and that a trial finds on disk what an earlier one on the same data has read.

Beside the localisation of scenes runs the UNet alone on them. Then two trials, which differ in their learning rate
alone, run in a process each with one cache folder: the second must not read the untrained tokens again.
"""

import os
import tempfile
import time
from dataclasses import replace
from typing import Any

import torch

from _bench._turns import device, once, paired, turns
from harness.config.spec import Choice, TrialSpec
from harness.method.encode import Encoder
from harness.method.localise import locate
from harness.method.optimise import initial_tokens
from harness.method.passes import Passes
from harness.registry import build, settings

FIGURES = {"family": "biped", "views": 1}


def spec(scenes: int, tokens: int = 128, **others: Any) -> TrialSpec:
    """Return the settings of a small single-view trial on the shipped model."""
    data = Choice("figures", settings("data", "figures", FIGURES, "data"))
    return TrialSpec(Choice("tiny_sd"), data, Choice("none"), Choice("gaussian_fps"), (Choice("sharpening"),),
                     steps=1, tokens=tokens, keypoints=min(16, tokens), scenes_per_step=1, optimise_scenes=scenes,
                     fit_scenes=scenes, test_scenes=scenes, view_scenes=0, **others)


def measure(scenes: int = 32, copies: int = 4, rounds: int = 7) -> dict[str, Any]:
    """Return the times, the second trial's reading, and what is missed of it."""
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as folder:
        groups = once(_localise, scenes=scenes, copies=copies, rounds=rounds, cache=folder)
        trials = [once(_trial, spec=replace(spec(scenes), learning_rate=rate), cache=folder)
                  for rate in (0.01, 0.02)]
    first, second = trials
    missed = [f"the second trial's untrained reading ran the UNet on {second['untrained_images']} images instead of "
              "being found on disk"] if second["untrained_images"] else []
    if not first["untrained_images"]:
        missed.append("the first trial's untrained reading ran the UNet on no image")
    return {"groups": groups, "first_trial": first, "second_trial": second, "missed": missed}


def _localise(scenes: int, copies: int, rounds: int, cache: str) -> dict[str, Any]:
    os.environ["HARNESS_CACHE"] = cache
    chosen, copied = spec(scenes), spec(scenes, localise_copies=copies)
    model = build("models", "tiny_sd").open("fp32", device())
    encoder = Encoder(model, build("data", "figures", FIGURES), "bench reading")
    warps = (copies, copied.warp_degrees, copied.warp_scale, copied.warp_translate)
    plain, warped = encoder.split("test", scenes), encoder.split("test", scenes, warps)
    tokens, kept = initial_tokens(chosen.tokens, model.width, 0).to(device()), torch.arange(chosen.keypoints)
    none = build("fusion", "none")
    bare = build("models", "tiny_sd").open("fp32", device())
    context = tokens.expand(scenes, -1, -1)

    def forward() -> None:
        with torch.no_grad():
            bare.unet(plain.latents[:, 0], chosen.timestep, encoder_hidden_states=context)

    seconds = turns({
        "bare forward": forward,
        "localise": lambda: locate(Passes(model, none, chosen), plain, tokens, kept),
        f"localise on {copies} copies": lambda: locate(Passes(model, none, copied), warped, tokens, kept),
    }, rounds)
    by_scene = {name: [value / scenes for value in values] for name, values in seconds.items()}
    return {f"per scene, {scenes} scenes, {chosen.tokens} tokens": paired("bare forward", by_scene)}


def _trial(spec: TrialSpec, cache: str) -> dict[str, float]:
    """Run a trial; return its seconds and UNet passes, and those of its untrained reading."""
    from harness.method import trial
    from harness.method.readings import Readings

    os.environ["HARNESS_CACHE"] = cache
    found: dict[str, float] = {}
    read = Readings.untrained

    def watched(readings: Readings, passes: Passes, *rest: Any) -> Any:
        images, began = passes.model.images, time.process_time()
        readout = read(readings, passes, *rest)
        found.update(untrained_seconds=round(time.process_time() - began, 3),
                     untrained_images=passes.model.images - images)
        return readout

    Readings.untrained = watched  # type: ignore[method-assign,assignment]
    began = time.process_time()
    result = trial.run(spec)
    if result.status != "finished":
        raise RuntimeError(f"the trial of the measurement failed: {result.reason}")
    return {"seconds": round(time.process_time() - began, 2), "unet_images": result.cost["unet_images"], **found}
