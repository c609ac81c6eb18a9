"""A look at one scene or photograph, step by step: the tokens' captured maps at one noise level, then at others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness import registry
from harness.app.photograph import square
from harness.app.sources import Source
from harness.app.tokens import Tokens, few, tokens_of
from harness.config.spec import Choice, TrialSpec
from harness.errors import UsageError
from harness.method.encode import Split
from harness.method.evolution import LOCALISING, LOCALISING_SOURCE, VIEW, Subject
from harness.method.generate import paint
from harness.method.localise import Located, locate
from harness.method.passes import Passes
from harness.method.session import Session, arithmetic, open_session
from harness.method.tracks import Evolution, Level, Track
from harness.method.trial import scored_split
from harness.ops.tensors import generator
from harness.report.evolution.agreement import Agreement

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models.pipelines.parts import Condition

PAINT_STEPS = 12  # denoising steps of the views that are painted from a photograph
PAINTED_VIEWS = 6


@dataclass(frozen=True)
class Choices:
    """What is looked at and how; no ``layers``, ``timestep`` or ``fusion``: those of the source.

    ``shown`` is the number of kept tokens that are drawn, ``levels`` that of noise levels in each pass.
    """

    scene: int = 0
    photograph: Path | None = None
    shown: int = 6
    layers: tuple[int, ...] = ()
    timestep: int | None = None
    fusion: str = ""
    strength: float | int = 1.0
    levels: int = 6


@dataclass(frozen=True)
class Look:
    """What is done, as a share and in words, and the captured maps so far; None before the first level.

    ``latest`` is the pass with the level that came last. ``painted`` are views (V 3 h w) that are being painted.
    """

    share: float
    doing: str
    evolution: Evolution | None = None
    agreement: Agreement | None = None
    latest: Track | None = None
    timestep: int = 0
    painted: "Tensor | None" = None

    @property
    def is_done(self) -> bool:
        """True of the last look."""
        return self.evolution is not None and self.share == 1

    @property
    def picture(self) -> tuple[Track, Level]:
        """Return the localising pass and its level at the chosen noise."""
        assert self.evolution is not None
        track = self.evolution.tracks[0]
        return track, next(level for level in track.levels if level.timestep == self.timestep)


def chosen_spec(source: Source, choices: Choices) -> TrialSpec:
    """Return the source's setting with what was chosen; UsageError for a value that does not fit the model."""
    spec = source.spec
    fusion = spec.fusion
    if choices.fusion:
        own = dict(fusion.knobs) if choices.fusion == fusion.name else {}
        knobs = own | ({"strength": float(choices.strength)} if choices.fusion != "none" else {})
        fusion = Choice(choices.fusion, registry.settings("fusion", choices.fusion, knobs, "fusion"))
    layers = tuple(sorted(choices.layers)) or spec.layers
    if max(layers) >= source.layers:
        raise UsageError(f"layer {max(layers)}: this model has {source.layers}, from 0")
    timestep = spec.timestep if choices.timestep is None else choices.timestep
    if not choices.photograph and not 0 <= choices.scene < spec.test_scenes:
        raise UsageError(f"scene {choices.scene}: there are scenes 0 to {spec.test_scenes - 1}")
    chosen = replace(spec, fusion=fusion, layers=layers, timestep=timestep)
    return replace(chosen, localise_copies=0) if choices.photograph else chosen  # it has no warped copies


def look(source: Source, choices: Choices) -> Iterator[Look]:
    """Yield what is captured as it is captured; every step is a whole computation, after which the caller may stop.

    Raises:
        UsageError: A choice does not fit, the photograph cannot be used, or a trial's data or weights changed.
        NothingCaptured: A pass captured no attention.
        Unfaithful: A residual is above the tolerance, or the tokens do not find the points of their record.
    """
    spec = chosen_spec(source, choices)
    image = square(choices.photograph, source.side_px) if choices.photograph else None
    yield Look(0.02, f"opening {spec.model.name}")
    session, _ = open_session(source.spec)
    yield Look(0.06, "reading the tokens")
    held = tokens_of(source, session)
    passes = Passes(session.model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec)
    if choices.fusion not in ("", source.spec.fusion.name) or source.store is None:  # the record has no gates of it
        gates = {name: gate.detach().to(session.model.device)
                 for name, gate in passes.fusion.gates(session.model.width).items()}
        held = replace(held, gates=gates)
    if image is None:
        yield Look(0.1, "encoding the scene")
        shown = session.data.scene("test", choices.scene)
        split, views, name = scored_split(session, source.spec), shown.views, shown.name
    else:
        latents, condition = _encoded(session, image)
        if session.model.needs_condition:
            for number, painted in enumerate(_painted(passes, held, latents, condition), 1):
                latents = painted
                yield Look(0.1 + 0.3 * number / PAINT_STEPS,
                           f"painting {PAINTED_VIEWS} views from the photograph: step {number} of {PAINT_STEPS}",
                           painted=session.model.decode(latents)[0].float().cpu())
        split, views = _unlabelled(session, image, latents, condition)
        name = f"photograph{', painted views' if session.model.needs_condition else ''}"
    subject = Subject(passes, split, choices.scene if image is None else 0, views, held.tokens, held.kept, held.gates)
    unchanged = source.store is not None and image is None and spec == source.spec
    yield from _levels(subject, held, choices, _Frame(name, session.data.keypoint_names, 0.1 if image is None else 0.4,
                                                      unchanged))


@dataclass(frozen=True)
class _Frame:
    """What all levels share: the scene's name, its keypoints, the work done before, and whether they are a record's."""

    name: str
    keypoint_names: tuple[str, ...]
    done: float
    unchanged: bool


def _levels(subject: Subject, held: Tokens, choices: Choices, frame: _Frame) -> Iterator[Look]:
    """Yield the localising pass at the chosen noise, then at the others, then the view pass if there can be one."""
    passes, own = subject.passes, subject.passes.spec.timestep
    places = held.order[:choices.shown]
    others = [timestep for timestep in _few(subject.localising_timesteps, choices.levels) if timestep != own]
    painting = _few(subject.view_timesteps, choices.levels) if _can_paint(subject) else []
    scene = subject.split.part(slice(subject.scene, subject.scene + 1))
    located = _located(passes, scene, held, places)
    over = LOCALISING_SOURCE if choices.photograph is None else LOCALISING_SOURCE.replace("true ones", "clean ones")
    tracks = {LOCALISING: (over, list[Level]())}
    agreed = few(held.agreement, places)
    work = [(LOCALISING, own), *((LOCALISING, t) for t in others), *((VIEW, t) for t in painting)]
    for done, (name, timestep) in enumerate(work, 1):
        if name == VIEW:
            level, source = subject.view_level(timestep)
            tracks.setdefault(VIEW, (source, []))
        else:
            level = subject.localising_level(timestep)
        level = replace(level, maps=level.maps[:, places], scored=level.scored and frame.unchanged)
        tracks[name][1].append(level)
        drawn = tuple(Track(each, source, tuple(sorted(levels, key=lambda one: -one.timestep)))
                      for each, (source, levels) in tracks.items())
        kept = tuple(int(held.kept[j]) for j in places)
        evolution = Evolution(subject.scene, frame.name, kept, frame.keypoint_names, drawn, located, scene.truth_yx,
                              scene.visible, scene.normaliser_px, scene.size_px)
        words = f"{name}, noise remaining {level.noise:.0%}" if done < len(work) else "done"
        share = frame.done + (1 - frame.done) * done / len(work) if done < len(work) else 1.0
        yield Look(share, words, evolution, agreed, Track(name, tracks[name][0], (level,)), own)


@torch.no_grad()
def _located(passes: Passes, scene: Split, held: Tokens, places: Sequence[int]) -> Located:
    """Return every token's points in the scene, and the drawn tokens' maps and statistics."""
    with arithmetic(exact=passes.spec.precision != "tf32"):
        located = locate(passes, scene, held.tokens, held.kept, 1)
    return Located(located.points_yx, {name: values[..., places] for name, values in located.statistics.items()},
                   located.maps[:, :, places])


def _few(timesteps: Sequence[int], count: int) -> list[int]:
    """Return ``count`` of the noise levels, evenly spread."""
    last = len(timesteps) - 1
    return sorted({timesteps[round(i * last / max(count - 1, 1))] for i in range(count)}, reverse=True)


def _can_paint(subject: Subject) -> bool:
    """Return True if the view pass can run: with a condition image where it needs one, on a canvas it can lay."""
    model, split = subject.passes.model, subject.split
    on_canvas = not model.lays_canvas(subject.passes.spec.view_pass) or split.latents.shape[1] in (1, PAINTED_VIEWS)
    return on_canvas and (split.condition.latents is not None or not model.needs_condition)


def _encoded(session: Session, image: "Tensor") -> "tuple[Tensor, Condition]":
    return session.model.encode(image[None, None]), session.model.encode_condition(image[None])


def _painted(passes: Passes, held: Tokens, latents: "Tensor", condition: "Condition") -> "Iterator[Tensor]":
    """Yield the views' latents after each step from pure noise, guided by the tokens as the fusion does it."""
    fewer = replace(passes, spec=replace(passes.spec, sampling_steps=PAINT_STEPS))
    shape = (1, PAINTED_VIEWS, *latents.shape[2:])
    steps = paint(fewer, condition, shape, generator("painted views"), held.tokens, held.kept, held.gates)
    while True:
        with arithmetic(exact=passes.spec.precision != "tf32"):
            painted = next(steps, None)
        if painted is None:
            return
        yield painted


def _unlabelled(session: Session, image: "Tensor", latents: "Tensor", condition: "Condition") -> "tuple[Split, Tensor]":
    """Return a split of one scene without keypoints, and its views: the photograph, or those painted from it."""
    count = latents.shape[1]
    views = image[None] if not session.model.needs_condition else session.model.decode(latents)[0].float().cpu()
    split = Split(latents, torch.zeros(1, count, 0, 2), torch.zeros(1, count, 0, dtype=torch.bool),
                  torch.full((1, count), float(image.shape[-1])), (image.shape[-2], image.shape[-1]), condition)
    return split, views
