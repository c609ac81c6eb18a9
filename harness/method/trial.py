"""One trial: load, encode, optimise, read out, score. `run` is the main flow, stage by stage."""

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
from harness.method.evaluate import Readout, probe
from harness.method.generate import likeness, painted_split, painted_views, view_errors
from harness.method.localise import Located, locate
from harness.method.metrics.fit import per_scene
from harness.method.optimise import Optimised, Probe, Step, optimise
from harness.method.passes import Diverged, Passes
from harness.method.results import Exhibit, Extras, TrialResult, exhibit, observations, point_table, scene_table
from harness.method.session import Session, arithmetic, open_session
from harness.models.attention.capture import NothingCaptured
from harness.models.pipelines.diffusion import Diffusion

__all__ = ["Exhibit", "RunOptions", "Step", "TrialResult", "run"]

# Largest |captured probabilities @ V - the layer's real output| that rounding explains; relative to the largest output
# if that exceeds 1.
TOLERANCE = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 1e-2, "fp16": 5e-3, "fp16_mixed": 2e-3}


def run(spec: TrialSpec, on_step: Callable[[Step], None] = lambda step: None,
        options: RunOptions = RunOptions()) -> TrialResult:
    """Run one trial; its status is "failed" if it diverged or captured attention is not the model's own.

    Args:
        spec: All settings of the trial; with the same code, data and weights they determine its scores.
        on_step: Called after every optimisation step.
        options: Micro-batches and probes; they change no score, apart from rounding.

    Raises:
        UsageError: Model, data and settings do not fit together, or a file is missing.

    >>> from harness.config.spec import Choice
    >>> spec = TrialSpec(model=Choice("tiny_sd"), data=Choice("figures", {"views": 1}), fusion=Choice("none"),
    ...                  selection=Choice("gaussian_fps"), losses=(Choice("sharpening"),), steps=1, tokens=8,
    ...                  keypoints=2, scenes_per_step=1, optimise_scenes=2, fit_scenes=2, test_scenes=2,
    ...                  view_scenes=0)
    >>> result = run(spec, on_step=lambda step: print(f"step {step.step} of {step.steps}"))
    step 1 of 1
    >>> result.status, 0 <= result.scores["pck@0.1"] <= 1
    ('finished', True)
    """
    # Load: the model and the data, once per process.
    started = time.perf_counter()
    session, hashes = open_session(spec)
    model = session.model
    before = model.images
    passes = Passes(model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec, options)
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)
    losses = {loss.name: registry.build("losses", loss.name, loss.knobs) for loss in spec.losses}

    # Encode: three splits, never mixed.
    train, fit, test = splits = _splits(session, spec)
    if test.condition.latents is None:
        check_condition(spec, model)

    curve: dict[str, list[float]] = {}
    probes: dict[str, list[float]] = {}
    with arithmetic(exact=spec.precision != "tf32"):
        try:
            # Optimise: the tokens and the fusion's gates, on the optimise split.
            on_probe = Probe(options.probe_every, partial(probe, passes, train, fit, selection=selection))
            optimised = optimise(passes, train, selection, losses, _recording(on_step, probes), on_probe)
            curve = optimised.curve

            # Read out: choose tokens without labels, assign them to keypoints on `fit`, find them on `test`.
            trained = session.readings.of(passes, splits, optimised.tokens.to(model.device), selection)
        except Diverged as error:
            return TrialResult("failed", str(error), {"diverged": 1.0}, {}, error.curve or curve, {}, {}, None, hashes)

        # Compare: the untrained tokens, the capture's residuals, the view pass with and without tokens.
        untrained = session.readings.untrained(passes, splits, selection) if spec.untrained else None
        residuals, largest_residual = capture_residuals(passes, test, trained.tokens)
        gates = {name: gate.to(model.device) for name, gate in optimised.gates.items()}
        views, view_entropy = view_errors(passes, test, trained.tokens, trained.kept, gates, session.unguided)
        quality, painted = _painted(passes, session, test, trained, gates)

    # Score: every metric, on the test split.
    extras = Extras(curve, views | quality, view_entropy, residuals, painted)
    observed = observations(trained, untrained, fit, test, extras)
    scores = {name: score for metric in registry.variants("metrics") for name, score in metric.cls()(observed).items()}
    limit = TOLERANCE[spec.precision]
    accurate = largest_residual <= limit
    reason = "" if accurate else f"captured attention is off by {largest_residual:.2g}, more than {limit:g}"

    # Record: everything that the store saves.
    cost = _cost(model, spec, optimised.seconds, started) | {"unet_images": float(model.images - before)}
    return TrialResult(
        "failed" if reason else "finished", reason, scores, cost, curve,
        point_table(observed), _kept_tokens(optimised, trained), exhibit(session.data, trained, untrained, test),
        hashes, per_scene(trained.held_out), scene_table(observed), probes, session.data.keypoint_names)


def _splits(session: Session, spec: TrialSpec) -> tuple[Split, Split, Split]:
    """Return the encoded splits optimise, fit and test; the first with a bank of warped copies."""
    warps = (spec.warp_bank, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    return (session.encoder.split("optimise", spec.optimise_scenes, warps),
            localised_split(session, spec, "fit", spec.fit_scenes, spec.copies_scenes), scored_split(session, spec))


def scored_split(session: Session, spec: TrialSpec) -> Split:
    """Return the encoded test split."""
    return localised_split(session, spec, "test", spec.test_scenes)


def localised_split(session: Session, spec: TrialSpec, name: str, count: int, copied: int = 0) -> Split:
    """Return an encoded split; its first ``copied`` scenes (0: all) have the warped copies that tokens are read on."""
    warps = (spec.localise_copies, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    return session.encoder.split(name, count, warps if spec.localise_copies else None, copied)


def _recording(on_step: Callable[[Step], None], probes: dict[str, list[float]]) -> Callable[[Step], None]:
    """Return an ``on_step`` that also appends each probe to ``probes``: the step before it, and its scores."""
    def record(step: Step) -> None:
        for name, value in {"step": float(step.step), **step.probe}.items() if step.probe else ():
            probes.setdefault(name, []).append(value)
        on_step(step)

    return record


@torch.no_grad()
def capture_residuals(passes: Passes, split: Split, tokens: Tensor) -> tuple[dict[str, float], float]:
    """Return the residuals of captured probabilities against the layers' outputs on one scene, and the largest."""
    clean = split.latents[:1]  # (1 V c h w)
    noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
    checked = passes.keypoint(noisy, tokens, split.condition[:1], check=True)
    if not checked.captured:  # a reading that another trial made does not show that this one can read
        raise NothingCaptured
    residual = checked.residual
    return {"attention_residual": residual.attention, "row_sum_residual": residual.rows}, residual.worst


@torch.no_grad()
def _painted(passes: Passes, session: Session, test: Split, trained: Readout, gates: Mapping[str, Tensor]
             ) -> tuple[dict[str, Tensor], Located | None]:
    """Return PSNR and SSIM of generated views, and every token's point in them, located as in true views.

    Without a condition image the generated views are of any object, so they have no truth.
    """
    count = min(passes.spec.generated_scenes, len(test))
    if not count or not passes.model.needs_condition:
        return {}, None
    views = painted_views(passes, test, count, trained.tokens, trained.kept, gates)
    painted = locate(passes, painted_split(passes, test, views), trained.tokens, trained.kept, measure=False)
    return likeness(views, session.images(count)), painted


def _kept_tokens(optimised: Optimised, trained: Readout) -> dict[str, Tensor]:
    """Return the tensors of tokens.safetensors."""
    gates = {f"gate.{name}": gate for name, gate in optimised.gates.items()}
    gates |= {f"step.{step}": tokens for step, tokens in optimised.snapshots.items()}
    return {"tokens": optimised.tokens, "initial": optimised.initial, "kept": trained.kept, **gates}


def stored_gates(stored: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return the fusion's gates among the tensors of tokens.safetensors."""
    return {name.removeprefix("gate."): gate.to(device) for name, gate in stored.items() if name.startswith("gate.")}


def _cost(model: Diffusion, spec: TrialSpec, optimising: float, started: float) -> dict[str, float]:
    """Return seconds, peak memory of the process (and of the GPU) in MB, and the number of optimised parameters."""
    cost = {
        **({"seconds_per_step": optimising / spec.steps} if spec.steps else {}),
        "seconds_total": time.perf_counter() - started,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parameters": float(spec.tokens * model.width),
    }
    if torch.cuda.is_available():
        cost["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return cost
