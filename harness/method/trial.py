"""One trial: load, optimise, choose, localise, score."""

import gc
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from harness import registry
from harness.config.spec import RESULTS_VERSION, Choice, RunOptions, TrialSpec
from harness.data.base import Dataset
from harness.errors import UsageError
from harness.method.compatibility import check
from harness.method.encode import Encoder, Split
from harness.method.generate import generated_quality, view_errors
from harness.method.localise import choose, hold_out, locate, tie
from harness.method.metrics.fit import per_scene, pooled
from harness.method.optimise import Probe, Step, initial_tokens, optimise
from harness.method.passes import Diverged, Passes
from harness.method.results import (
    Exhibit,
    Extras,
    Reading,
    TrialResult,
    exhibit,
    observations,
    point_table,
    scene_table,
)
from harness.method.selection.base import Selection
from harness.models.attention.capture import worst
from harness.models.pipelines.diffusion import Diffusion

__all__ = ["Exhibit", "RunOptions", "Step", "TrialResult", "check", "dataset", "fingerprints", "run"]

# Largest |captured probabilities @ V - the layer's real output| that rounding explains, relative to the largest output
# where that exceeds 1.
TOLERANCE = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 1e-2, "fp16": 5e-3, "fp16_mixed": 2e-3}
EXAMPLES = 3


def run(spec: TrialSpec, on_step: Callable[[Step], None] = lambda step: None,
        options: RunOptions = RunOptions()) -> TrialResult:
    """Run one trial and return what it leaves; a trial that diverges or whose capture is off returns as failed."""
    started = time.perf_counter()
    _set_exact(True)  # before the first image is encoded: PyTorch begins with TF32 convolutions allowed
    marks = fingerprints(spec)
    session = _session(_frozen(spec.model), _frozen(spec.data), spec.precision, marks["weights"], marks["data"])
    model, encoder = session.model, session.encoder
    passes = Passes(model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec, options)
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)
    losses = {loss.name: registry.build("losses", loss.name, loss.knobs) for loss in spec.losses}
    warps = (spec.warp_bank, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    train = encoder.split("optimise", spec.optimise_scenes, warps)
    copies = (spec.localise_copies, *warps[1:]) if spec.localise_copies else None
    fit, test = encoder.split("fit", spec.fit_scenes, copies), encoder.split("test", spec.test_scenes, copies)
    _demand_condition(passes, test, needed="nvs" in losses or spec.view_scenes > 0 or spec.generated_scenes > 0)
    curve: dict[str, list[float]] = {}
    probes: dict[str, list[float]] = {}
    with arithmetic(exact=spec.precision != "tf32"):
        try:
            found = optimise(passes, train, selection, losses, _noting(on_step, probes),
                             Probe(options.probe_every, partial(probe, passes, train, fit, selection=selection)))
            curve = found.curve
            trained = read(passes, train, fit, test, found.tokens.to(model.device), selection)
        except Diverged as error:
            lost = {"diverged": 1.0}
            return TrialResult("failed", str(error), lost, {}, error.curve or curve, {}, {}, None, marks)
        untrained = session.untrained(passes, train, fit, test, selection)
        residuals, off = capture_residuals(passes, test, trained.tokens)
        gates = {name: gate.to(model.device) for name, gate in found.gates.items()}
        views, view_entropy = view_errors(passes, test, trained.tokens, trained.kept, gates)
        if spec.generated_scenes:
            truth = session.images(min(spec.generated_scenes, len(test)))
            views |= generated_quality(passes, test, truth, trained.tokens, trained.kept, gates)

    seen = observations(trained, untrained, fit, test, Extras(found.curve, views, view_entropy, residuals))
    scores = {name: score for metric in registry.variants("metrics") for name, score in metric.cls()(seen).items()}
    limit = TOLERANCE[spec.precision]
    reason = "" if off <= limit else f"captured attention is off by {off:.2g}, more than {limit:g}"
    tokens = {"tokens": found.tokens, "initial": found.initial, "kept": trained.kept,
              **{f"gate.{name}": gate for name, gate in found.gates.items()}}
    return TrialResult("failed" if reason else "finished", reason, scores, _cost(model, spec, found.seconds, started),
                       curve, point_table(seen), tokens, exhibit(session.data, trained, untrained, test), marks,
                       per_scene(trained.held_out), scene_table(seen), probes, session.data.keypoint_names)


def read(passes: Passes, train: Split, fit: Split, test: Split, tokens: Tensor, selection: Selection) -> Reading:
    """Choose tokens on the optimise split, tie them on the fit split, locate them on the test split."""
    kept = choose(passes, train, tokens, selection)
    fitted, own = locate(passes, fit, tokens, kept), kept.cpu()
    return Reading(tokens, own, tie(fitted, fit, own), locate(passes, test, tokens, kept, EXAMPLES),
                   hold_out(fitted, fit, own))


def probe(passes: Passes, train: Split, fit: Split, tokens: Tensor, selection: Selection) -> dict[str, float]:
    """Return `pck_fit@<alpha>` of tokens still being optimised, as the trial's scores will have it; no test label."""
    try:
        kept = choose(passes, train, tokens, selection)
        return pooled(hold_out(locate(passes, fit, tokens, kept), fit, kept.cpu()))
    except Diverged:  # for the optimisation to find out, if it matters to it
        return {}


def _noting(on_step: Callable[[Step], None], probes: dict[str, list[float]]) -> Callable[[Step], None]:
    """Return ``on_step`` that also keeps each reading of a probe: the step that it followed, and its scores."""
    def told(step: Step) -> None:
        for name, value in {"step": float(step.step), **step.probe}.items() if step.probe else ():
            probes.setdefault(name, []).append(value)
        on_step(step)

    return told


def _demand_condition(passes: Passes, test: Split, *, needed: bool) -> None:
    """Raise UsageError where a pass lacks the condition image it looks at, before anything is optimised."""
    spec, model = passes.spec, passes.model
    if needed and model.needs_condition and test.condition.latents is None:
        raise UsageError(f"model {spec.model.name!r} paints views from a condition image; data {spec.data.name!r} "
                         "has none: drop the nvs loss and set view_scenes and generated_scenes to 0")
    if model.keypoints_need_condition(spec.context == "concat") and test.condition.latents is None:
        raise UsageError(f"model {spec.model.name!r}: its keypoint pass looks at a condition image; data "
                         f"{spec.data.name!r} has none: set model.reference to none and model.embedding to false")


@torch.no_grad()
def capture_residuals(passes: Passes, split: Split, tokens: Tensor) -> tuple[dict[str, float], float]:
    """Return how far captured probabilities are from what the layers computed on one scene, and the worst of it."""
    clean = split.latents[:1]
    noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
    checked = passes.keypoint(noisy, tokens, split.condition[:1], check=True)
    residuals = {"attention_residual": checked.residual, "row_sum_residual": checked.row_residual}
    return residuals, worst(checked.residual / worst(checked.largest, 1.0), checked.row_residual)


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return the data's and the weights' fingerprints, which the trial's id holds; loads no model."""
    weights = registry.build("models", spec.model.name, spec.model.knobs).fingerprint()
    return {"data": dataset(spec.data).fingerprint(), "weights": weights}


def dataset(choice: Choice) -> Dataset:
    """Build the dataset that a spec names."""
    built: Dataset = registry.build("data", choice.name, choice.knobs)
    return built


class Session:
    """What trials in one process share: the loaded model, the encoded scenes, and untrained tokens' readings."""

    def __init__(self, model: Choice, data: Choice, precision: str) -> None:
        source = registry.build("models", model.name, model.knobs)
        weights = source.fingerprint()
        self.model: Diffusion = source.open(precision, "cuda" if torch.cuda.is_available() else "cpu")
        if source.fingerprint() != weights:
            raise UsageError(f"model {model.name!r}: its weights changed while they were being read; run again")
        self.data = dataset(data)
        # Everything that changes an encoded scene, so that no trial reads what another setting wrote.
        device, scenes = self.model.device.type, self.data.fingerprint()
        key = repr((RESULTS_VERSION, device, model.to_dict(), weights, data.name, scenes))
        self.encoder = Encoder(self.model, self.data, key)
        self._untrained: dict[str, Reading] = {}

    def untrained(self, passes: Passes, train: Split, fit: Split, test: Split, selection: Selection) -> Reading:
        """Return the reading of the tokens that a trial starts from; trials that differ in training alone share it."""
        spec = passes.spec
        without = ("fusion", "losses", "steps", "learning_rate", "gate_learning_rate", "view_scenes", "view_timesteps",
                   "generated_scenes", "sampling_steps", "guidance")
        key = repr((passes.options.micro_batch, {k: v for k, v in spec.to_dict().items() if k not in without}))
        if key not in self._untrained:
            if len(self._untrained) >= 32:
                self._untrained.pop(next(iter(self._untrained)))
            tokens = initial_tokens(spec.tokens, self.model.width, spec.seed).to(self.model.device)
            self._untrained[key] = read(passes, train, fit, test, tokens, selection)
        return self._untrained[key]

    def images(self, count: int) -> Tensor:
        """Return the true views (M V 3 h w) of the first test scenes."""
        return torch.stack([self.data.scene("test", index).views for index in range(count)])


@lru_cache(maxsize=2)
def _session(model: tuple[Any, ...], data: tuple[Any, ...], precision: str, weights: str, scenes: str) -> Session:
    """Open a model and its data once; the fingerprints tell when they have changed since."""
    gc.collect()  # an evicted session frees its model before the next one loads
    return Session(Choice(model[0], dict(model[1])), Choice(data[0], dict(data[1])), precision)


@contextmanager
def arithmetic(*, exact: bool) -> Iterator[None]:
    """Allow TF32 in matrix products and convolutions, or forbid it; outside, images are always encoded exactly."""
    _set_exact(exact)
    try:
        yield
    finally:
        _set_exact(True)


def _set_exact(exact: bool) -> None:
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cudnn.allow_tf32 = not exact


def _frozen(choice: Choice) -> tuple[Any, ...]:
    return choice.name, tuple(choice.knobs.items())


def _cost(model: Diffusion, spec: TrialSpec, optimising: float, started: float) -> dict[str, float]:
    """Return seconds, peak memory of the process (and of the GPU) in MB, and the number of optimised parameters."""
    cost = {
        "seconds_per_step": optimising / max(1, spec.steps), "seconds_total": time.perf_counter() - started,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parameters": float(spec.tokens * model.width),
    }
    if torch.cuda.is_available():
        cost["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return cost
