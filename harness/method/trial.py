"""One trial: load, encode, optimise, read out, score, exhibit."""

import resource
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from harness import registry
from harness.config.spec import RunOptions, TrialSpec
from harness.method.compatibility import check_condition
from harness.method.encode import Split
from harness.method.evaluate import Readout, probe, read_out
from harness.method.generate import generated_quality, view_errors
from harness.method.metrics.fit import per_scene
from harness.method.optimise import Optimised, Probe, Step, optimise
from harness.method.passes import Diverged, Passes
from harness.method.results import Exhibit, Extras, TrialResult, exhibit, observations, point_table, scene_table
from harness.method.session import Session, arithmetic, dataset, fingerprints, open_session
from harness.models.attention.capture import worst
from harness.models.pipelines.diffusion import Diffusion

__all__ = ["Exhibit", "RunOptions", "Step", "TrialResult", "dataset", "fingerprints", "run"]

# Largest |captured probabilities @ V - the layer's real output| that rounding explains, relative to the largest output
# where that exceeds 1.
TOLERANCE = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 1e-2, "fp16": 5e-3, "fp16_mixed": 2e-3}


def run(spec: TrialSpec, on_step: Callable[[Step], None] = lambda step: None,
        options: RunOptions = RunOptions()) -> TrialResult:
    """Run one trial and return what it leaves; a trial that diverges or whose capture is off returns as failed."""
    # Load: the model and the data, once per process.
    started = time.perf_counter()
    session, prints = open_session(spec)
    model = session.model
    passes = Passes(model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec, options)
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)
    losses = {loss.name: registry.build("losses", loss.name, loss.knobs) for loss in spec.losses}

    # Encode: three splits, never mixed.
    train, fit, test = _splits(session, spec)
    if test.condition.latents is None:
        check_condition(spec, model)

    curve: dict[str, list[float]] = {}
    probes: dict[str, list[float]] = {}
    with arithmetic(exact=spec.precision != "tf32"):
        try:
            # Optimise: the tokens and the fusion's gates, on the optimise split.
            look = Probe(options.probe_every, partial(probe, passes, train, fit, selection=selection))
            optimised = optimise(passes, train, selection, losses, _recording(on_step, probes), look)
            curve = optimised.curve
            # Read out: choose tokens without labels, assign them to keypoints on `fit`, find them on `test`.
            trained = read_out(passes, train, fit, test, optimised.tokens.to(model.device), selection)
        except Diverged as error:
            return TrialResult("failed", str(error), {"diverged": 1.0}, {}, error.curve or curve, {}, {}, None, prints)
        untrained = session.untrained(passes, train, fit, test, selection)
        residuals, off = capture_residuals(passes, test, trained.tokens)
        views, view_entropy = _paint(passes, session, test, trained, optimised.gates)

    # Score: every metric, on the test split.
    observed = observations(trained, untrained, fit, test, Extras(curve, views, view_entropy, residuals))
    scores = {name: score for metric in registry.variants("metrics") for name, score in metric.cls()(observed).items()}
    limit = TOLERANCE[spec.precision]
    reason = "" if off <= limit else f"captured attention is off by {off:.2g}, more than {limit:g}"

    # Exhibit: what the record and the picture are made from.
    return TrialResult(
        "failed" if reason else "finished", reason, scores, _cost(model, spec, optimised.seconds, started), curve,
        point_table(observed), _kept_tokens(optimised, trained), exhibit(session.data, trained, untrained, test),
        prints, per_scene(trained.held_out), scene_table(observed), probes, session.data.keypoint_names)


def _splits(session: Session, spec: TrialSpec) -> tuple[Split, Split, Split]:
    """Return the splits optimise, fit and test, encoded; the first with a bank of warped copies."""
    warps = (spec.warp_bank, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    copies = (spec.localise_copies, *warps[1:]) if spec.localise_copies else None
    split = session.encoder.split
    return (split("optimise", spec.optimise_scenes, warps), split("fit", spec.fit_scenes, copies),
            split("test", spec.test_scenes, copies))


def _recording(on_step: Callable[[Step], None], probes: dict[str, list[float]]) -> Callable[[Step], None]:
    """Return ``on_step`` that also appends each probe to ``probes``: the step that it followed, and its scores."""
    def record(step: Step) -> None:
        for name, value in {"step": float(step.step), **step.probe}.items() if step.probe else ():
            probes.setdefault(name, []).append(value)
        on_step(step)

    return record


@torch.no_grad()
def capture_residuals(passes: Passes, split: Split, tokens: Tensor) -> tuple[dict[str, float], float]:
    """Return how far captured probabilities are from what the layers computed on one scene, and the worst of it."""
    clean = split.latents[:1]  # (1 V c h w)
    noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
    checked = passes.keypoint(noisy, tokens, split.condition[:1], check=True)
    residuals = {"attention_residual": checked.residual, "row_sum_residual": checked.row_residual}
    return residuals, worst(checked.residual / worst(checked.largest, 1.0), checked.row_residual)


def _paint(passes: Passes, session: Session, test: Split, trained: Readout, gates: Mapping[str, Tensor]
           ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the errors of the view pass, with PSNR and SSIM of generated views if asked for, and its entropy."""
    live_gates = {name: gate.to(session.model.device) for name, gate in gates.items()}
    views, entropy = view_errors(passes, test, trained.tokens, trained.kept, live_gates)
    if passes.spec.generated_scenes:
        truth = session.images(min(passes.spec.generated_scenes, len(test)))
        views |= generated_quality(passes, test, truth, trained.tokens, trained.kept, live_gates)
    return views, entropy


def _kept_tokens(optimised: Optimised, trained: Readout) -> dict[str, Tensor]:
    """Return the tensors of tokens.safetensors."""
    gates = {f"gate.{name}": gate for name, gate in optimised.gates.items()}
    return {"tokens": optimised.tokens, "initial": optimised.initial, "kept": trained.kept, **gates}


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
