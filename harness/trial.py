"""One trial: load, optimise, choose, localise, score."""

import resource
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from harness import plugins
from harness.data._base import Dataset
from harness.denoise import generated_quality, view_errors
from harness.localise import choose, locate, tie
from harness.models._diffusion import Diffusion
from harness.optimise import Diverged, Step, initial_tokens, optimise
from harness.passes import Passes
from harness.results import Exhibit, Extras, Reading, TrialResult, exhibit, observations, point_table
from harness.scenes import Encoder, Split
from harness.selection._base import Selection
from harness.spec import Choice, TrialSpec

__all__ = ["Exhibit", "Step", "TrialResult", "dataset", "fingerprints", "run"]

# Largest |captured probabilities @ V - the layer's real output| that rounding explains: in float32 as it is, in coarser
# arithmetic over the largest output.
TOLERANCE = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 3e-2, "fp16": 5e-3, "fp16_mixed": 5e-3}
EXAMPLES = 3


def run(spec: TrialSpec, on_step: Callable[[Step], None] = lambda step: None) -> TrialResult:
    """Run one trial and return what it leaves; a trial that diverges or whose capture is off returns as failed."""
    started = time.perf_counter()
    torch.set_float32_matmul_precision("high" if spec.precision == "tf32" else "highest")
    session = _session(_frozen(spec.model), _frozen(spec.data), spec.precision)
    model, encoder = session.model, session.encoder
    passes = Passes(model, plugins.build("fusion", spec.fusion.name, spec.fusion.knobs), spec)
    selection = plugins.build("selection", spec.selection.name, spec.selection.knobs)
    losses = {loss.name: plugins.build("losses", loss.name, loss.knobs) for loss in spec.losses}
    warps = (spec.warp_bank, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    train = encoder.split("optimise", spec.optimise_scenes, warps)
    fit, test = encoder.split("fit", spec.fit_scenes), encoder.split("test", spec.test_scenes)
    try:
        found = optimise(passes, train, selection, losses, on_step)
    except Diverged as error:
        return TrialResult("failed", str(error), {}, {}, {}, {}, {}, None, fingerprints(spec))

    trained = read(passes, train, fit, test, found.tokens.to(model.device), selection)
    untrained = session.untrained(passes, train, fit, test, selection)
    residuals, off = capture_residuals(passes, test, trained.tokens)
    gates = {name: gate.to(model.device) for name, gate in found.gates.items()}
    views, view_entropy = view_errors(passes, test, trained.tokens, trained.kept, gates)
    if spec.generated_scenes:
        truth = session.images(spec.generated_scenes)
        views |= generated_quality(passes, test, truth, trained.tokens, trained.kept, gates)

    seen = observations(trained, untrained, fit, test, Extras(found.curve, views, view_entropy, residuals))
    scores = {name: score for metric in plugins.variants("metrics") for name, score in metric.cls()(seen).items()}
    limit = TOLERANCE[spec.precision]
    reason = "" if off <= limit else f"captured attention is off by {off:.2g}, more than {limit:g}"
    tokens = {"tokens": found.tokens, "initial": found.initial, "kept": trained.kept.cpu(),
              **{f"gate.{name}": gate for name, gate in found.gates.items()}}
    return TrialResult("failed" if reason else "finished", reason, scores, _cost(model, spec, found.seconds, started),
                       found.curve, point_table(seen), tokens, exhibit(session.data, trained, untrained, test),
                       fingerprints(spec))


def read(passes: Passes, train: Split, fit: Split, test: Split, tokens: Tensor, selection: Selection) -> Reading:
    """Choose tokens on the optimise split, tie them on the fit split, locate them on the test split."""
    kept = choose(passes, train, tokens, selection)
    ties = tie(locate(passes, fit, tokens, kept), fit, kept.cpu())
    return Reading(tokens, kept, ties, locate(passes, test, tokens, kept, EXAMPLES))


@torch.no_grad()
def capture_residuals(passes: Passes, split: Split, tokens: Tensor) -> tuple[dict[str, float], float]:
    """Return how far captured probabilities are from what the layers computed on one scene, and the worst of it."""
    clean = split.latents[:1]
    noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
    checked = passes.keypoint(noisy, tokens, check=True)
    scale = 1.0 if passes.spec.precision == "fp32" else max(checked.largest, 1e-12)
    residuals = {"attention_residual": checked.residual, "row_sum_residual": checked.row_residual}
    return residuals, max(checked.residual / scale, checked.row_residual)


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return the data's and the weights' fingerprints, which the trial's id holds; loads no model."""
    weights = plugins.build("models", spec.model.name, spec.model.knobs).fingerprint()
    return {"data": dataset(spec.data).fingerprint(), "weights": weights}


def dataset(choice: Choice) -> Dataset:
    """Build the dataset that a spec names."""
    built: Dataset = plugins.build("data", choice.name, choice.knobs)
    return built


class Session:
    """What trials in one process share: the loaded model, the encoded scenes, and untrained tokens' readings."""

    def __init__(self, model: Choice, data: Choice, precision: str) -> None:
        source = plugins.build("models", model.name, model.knobs)
        self.model: Diffusion = source.open(precision, "cuda" if torch.cuda.is_available() else "cpu")
        self.data = dataset(data)
        key = f"{model.name}/{source.fingerprint()}/{data.name}/{self.data.fingerprint()}"
        self.encoder = Encoder(self.model, self.data, key)
        self._untrained: dict[str, Reading] = {}

    def untrained(self, passes: Passes, train: Split, fit: Split, test: Split, selection: Selection) -> Reading:
        """Return the reading of the tokens that a trial starts from; trials that differ in training alone share it."""
        spec = passes.spec
        without = ("fusion", "losses", "steps", "learning_rate", "gate_learning_rate", "view_scenes", "view_timesteps",
                   "generated_scenes", "sampling_steps", "guidance")
        key = repr({name: value for name, value in spec.to_dict().items() if name not in without})
        if key not in self._untrained:
            tokens = initial_tokens(spec.tokens, self.model.width, spec.seed).to(self.model.device)
            self._untrained[key] = read(passes, train, fit, test, tokens, selection)
        return self._untrained[key]

    def images(self, count: int) -> Tensor:
        """Return the true views (M V 3 h w) of the first test scenes."""
        return torch.stack([self.data.scene("test", index).views for index in range(count)])


@lru_cache(maxsize=2)
def _session(model: tuple[Any, ...], data: tuple[Any, ...], precision: str) -> Session:
    return Session(Choice(model[0], dict(model[1])), Choice(data[0], dict(data[1])), precision)


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
