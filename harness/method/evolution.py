"""The evolution of a finished trial's attention as noise goes, captured anew from the trial's own stored tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness import registry
from harness.config.spec import RunOptions, TrialSpec
from harness.errors import UsageError
from harness.method.encode import Split
from harness.method.generate import NoisyViews, guided_by_estimate, predict, watched_maps
from harness.method.localise import captured_maps, groups_by_view, locate
from harness.method.passes import Passes
from harness.method.session import arithmetic, open_session
from harness.method.tracks import Evolution, Level, Track
from harness.method.trial import TOLERANCE, scored_split, stored_gates
from harness.models.attention.capture import Residual
from harness.models.pipelines.diffusion import Diffusion
from harness.ops.tensors import Latents

NOISE = (1.0, 0.95, 0.9, 0.85, 0.75, 0.65, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)  # shares of noise that are shown
LOCALISING, VIEW, OPTIMISING = "localising pass", "view pass", "optimisation"  # names of the tracks
LOCALISING_SOURCE = "the tokens' attention to the noisy views, drawn over the true ones"
ENTERED_SOURCE = "the view pass's own attention to the tokens, over its estimate of the clean views"
ESTIMATE_SOURCE = "the localising pass on the view pass's estimate of the clean views; no token enters the view pass"
OPTIMISING_SOURCE = "the kept tokens' attention in the localising pass after so many steps, drawn over the true views"
APART = 0.02  # shares closer than this to one of a score are left out
DESCRIBED = 40  # test scenes on which the tokens are described


class Unfaithful(RuntimeError):
    """Captured attention is not the model's own, so nothing is drawn from it."""


def evolve(spec: TrialSpec, stored: Mapping[str, Tensor], scene: int = 0, options: RunOptions = RunOptions()
           ) -> Evolution:
    """Return the evolution of a trial's kept tokens on one test scene.

    Args:
        spec: The trial's setting.
        stored: The tensors of its tokens.safetensors.
        scene: The number of the test scene.
        options: Micro-batches.

    Raises:
        UsageError: The trial has no such test scene.
        NothingCaptured: The passes captured no attention.
        Unfaithful: A residual is above the tolerance of the trial's precision.
    """
    if not 0 <= scene < spec.test_scenes:
        raise UsageError(f"--scene {scene}: the trial has test scenes 0 to {spec.test_scenes - 1}")
    session, _ = open_session(spec)
    device = session.model.device
    tokens, kept = stored["tokens"].to(device), stored["kept"].to(device)
    passes = Passes(session.model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec, options)
    split = scored_split(session, spec)
    shown = session.data.scene("test", scene)
    subject = Subject(passes, split, scene, shown.views, tokens, kept, stored_gates(stored, device))
    tracks = [Track(LOCALISING, LOCALISING_SOURCE, tuple(map(subject.localising_level, subject.localising_timesteps)))]
    if spec.view_scenes:
        levels, sources = zip(*map(subject.view_level, subject.view_timesteps), strict=True)
        tracks.append(Track(VIEW, sources[-1], levels))
    if between := _snapshots(stored):
        snapshots = {0: stored["initial"], **between, spec.steps: stored["tokens"]}
        tracks.append(Track(OPTIMISING, OPTIMISING_SOURCE, tuple(
            replace(subject, tokens=after.to(device)).localising_step(step) for step, after in snapshots.items())))
    first = split.part(slice(0, DESCRIBED))
    with torch.no_grad(), arithmetic(exact=spec.precision != "tf32"):
        located = locate(passes, first, tokens, kept, len(first))
    return Evolution(scene, shown.name, tuple(kept.tolist()), session.data.keypoint_names,
                     tuple(tracks), located, first.truth_yx, first.visible, first.normaliser_px, first.size_px,
                     subject.group_shares())


def noise_share(model: Diffusion, timestep: int) -> float:
    """Return the share of noise in the variance of latents at a training timestep."""
    return float(1 - model.alphas[timestep])


def noise_levels(model: Diffusion, scored: Sequence[int]) -> list[int]:
    """Return timesteps from most noise to least: those of scores, and the nearest to the shares that are shown."""
    shares = (1 - model.alphas).cpu()  # (timesteps)
    chosen = set(scored)
    for share in NOISE:
        timestep = int((shares - share).abs().argmin())
        if all(abs(float(shares[timestep] - shares[other])) >= APART for other in chosen):
            chosen.add(timestep)
    return sorted(chosen, reverse=True)


@dataclass(frozen=True)
class Subject:
    """One scene of a split, and the tokens whose attention to it is captured, one noise level at a time.

    ``views`` are the scene's true views. Each level is a whole computation: nothing is kept between two of them, so
    that a caller may show, change threads or stop in between.
    """

    passes: Passes
    split: Split
    scene: int
    views: Float[Tensor, "V 3 h w"]
    tokens: Float[Tensor, "N D"]
    kept: Int[Tensor, " J"]
    gates: Mapping[str, Tensor]

    @property
    def localising_timesteps(self) -> list[int]:
        """Return the noise levels of the localising pass, the trial's own among them."""
        return noise_levels(self.passes.model, [self.passes.spec.timestep])

    @property
    def view_timesteps(self) -> list[int]:
        """Return the noise levels of the view pass, those of the trial's scores among them."""
        return noise_levels(self.passes.model, self.passes.spec.view_timesteps)

    @torch.no_grad()
    def localising_level(self, timestep: int) -> Level:
        """Return the keypoint pass at a noise level; at the trial's own it is the one that localises."""
        passes, rows = self.passes, slice(self.scene, self.scene + 1)
        clean = self.split.latents[rows]  # (1 V c h w)
        at = replace(passes, spec=replace(passes.spec, timestep=timestep))
        with arithmetic(exact=passes.spec.precision != "tf32"):
            captured, maps = captured_maps(at, self.split, rows, self.tokens, check=True)  # (1 V N H W)
            noisy = passes.model.noised(clean, passes.fixed_noise(clean), timestep)
            own = timestep == passes.spec.timestep
            return _level(passes, timestep, own, captured.residual, noisy, maps[:, :, self.kept], self.views)

    @torch.no_grad()
    def group_shares(self) -> dict[str, Float[Tensor, "V h w"]]:
        """Return each group's share of the attention where the first captured layer looks, if there are several."""
        passes, rows = self.passes, slice(self.scene, self.scene + 1)
        with arithmetic(exact=passes.spec.precision != "tf32"):
            captured, _ = captured_maps(passes, self.split, rows, self.tokens, check=True)
        demand_faithful(captured.residual, passes.spec.precision, passes.spec.timestep)
        if len(captured.groups.names) < 2 or captured.groups.separate:
            return {}
        canvas = passes.spec.view_pass == "canvas"
        shares = groups_by_view(captured, captured.captured[0], self.split.latents.shape[1], canvas=canvas)
        return dict(zip(captured.groups.names, shares[0].float().cpu().unbind(1), strict=True))  # (V G h w)

    def localising_step(self, step: int) -> Level:
        """Return the keypoint pass of the trial's noise level, of tokens after so many steps of optimisation."""
        spec = self.passes.spec
        return replace(self.localising_level(spec.timestep), step=step, scored=step == spec.steps)

    @torch.no_grad()
    def view_level(self, timestep: int) -> tuple[Level, str]:
        """Return the view pass at a noise level, with the noise of its scores, and what was captured."""
        passes, spec, scene = self.passes, self.passes.spec, self.scene
        with arithmetic(exact=spec.precision != "tf32"):
            views = NoisyViews.draw(passes, self.split, scene, timestep)
            plain = predict(passes, views)[0]
            own = guided_by_estimate(passes, views, plain, self.tokens, self.kept, self.gates, check=True)
            if own.watched is not None and own.watched.entered:
                maps = watched_maps(passes, own.watched.captured, self.split.latents.shape[1], len(self.kept))
                residual, source = own.watched.residual, ENTERED_SOURCE
            else:  # no token enters the view pass: the maps that could guide it
                noisy = passes.model.noised(own.estimate, passes.fixed_noise(own.estimate), spec.timestep)
                captured = passes.keypoint(noisy, self.tokens, views.condition, check=True)
                maps, residual, source = own.maps, captured.residual, ESTIMATE_SOURCE
            scored = timestep in spec.view_timesteps and scene < spec.view_scenes
            return _level(passes, timestep, scored, residual, own.estimate, maps), source


def _snapshots(stored: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Return the kept snapshots of the tokens by step, in order."""
    return {step: stored[f"step.{step}"]
            for step in sorted(int(name.removeprefix("step.")) for name in stored if name.startswith("step."))}


def demand_faithful(residual: Residual, precision: str, timestep: int) -> None:
    """Raise Unfaithful for a residual above the precision's tolerance, or one that is no number."""
    if not residual.worst <= TOLERANCE[precision]:  # NaN is not below it
        raise Unfaithful(f"captured attention is off by {residual.worst:.2g} at timestep {timestep}, more than "
                         f"{TOLERANCE[precision]:g}; nothing is drawn")


def _level(passes: Passes, timestep: int, scored: bool, residual: Residual, pictured: Latents,
           maps: Float[Tensor, "1 V J H W"], under: Float[Tensor, "V 3 h w"] | None = None) -> Level:
    demand_faithful(residual, passes.spec.precision, timestep)
    pictures = passes.model.decode(pictured)[0].float().cpu()  # (V 3 h w)
    share = noise_share(passes.model, timestep)
    return Level(timestep, share, scored, residual, pictures, pictures if under is None else under,
                 maps[0].float().cpu())
