"""How many images a trial sends through the UNet, counted stage by stage before it runs."""

from dataclasses import dataclass

from harness import registry
from harness.config.spec import TrialSpec
from harness.data.base import Dataset
from harness.models.base import Model

COPIES = 2  # of a view in a step: itself, and a warped copy


@dataclass(frozen=True)
class AtHand:
    """What earlier trials left: the reading of the same untrained tokens, the same scenes' unguided predictions.

    The cache folder keeps the first, a process the second.
    """

    untrained: bool = False
    unguided: bool = False


FIRST, FURTHER = AtHand(), AtHand(untrained=True, unguided=True)


@dataclass(frozen=True)
class PerScene:
    """Images of one scene in one keypoint pass and in one view pass; a canvas is one.

    ``reference`` is the condition image that a view pass reads, which ``view`` leaves out: passes at one noise level
    share it.
    """

    keypoint: int
    view: int
    reference: int
    has_truth: bool  # whether views are generated at all: without a condition image they would show any object


def per_scene(spec: TrialSpec) -> PerScene:
    """Return the images of one scene; reads knobs, no weights and no scene."""
    model: Model = registry.build("models", spec.model.name, spec.model.knobs)
    data: Dataset = registry.build("data", spec.data.name, spec.data.knobs)
    canvas = spec.view_pass == "canvas"
    return PerScene((1 if canvas else data.views) + model.reads_condition("keypoint"),
                    1 if canvas or model.needs_canvas else data.views, int(model.reads_condition("view")),
                    model.needs_condition)


def unet_images(spec: TrialSpec, scene: PerScene, at_hand: AtHand = FIRST, micro_batch: int = 0, probe_every: int = 0
                ) -> dict[str, int]:
    """Return the images by stage; their sum is the ``unet_images`` of a finished trial's record.

    It is an upper bound in two cases. Equal tokens are read once in a process: the second of `none` and `spatial` with
    one seed skips all stages of reading. And with micro-batches the view pass is taken to be run again on the way
    back, which it is not if no gradient flows through the fusion.
    """
    acts = spec.fusion.name != "none" and spec.fusion.knobs["strength"] > 0
    losses = {loss.name for loss in spec.losses}
    batch = min(spec.scenes_per_step, spec.optimise_scenes)
    again = 2 if 0 < micro_batch < batch else 1  # checkpointed parts run a second time in the backward pass
    learns = spec.steps > 0 and spec.learning_rate > 0 and (acts or losses != {"nvs"})
    reading = _reading(spec, scene)
    read = sum(reading.values())
    probed = spec.steps // probe_every if probe_every else 0
    painting = (scene.view + scene.reference) * ("nvs" in losses)
    return {
        "optimise, keypoint pass": spec.steps * batch * COPIES * scene.keypoint * (again if learns else 1),
        "optimise, view pass": spec.steps * batch * painting * (again if acts else 1),
        "probes": probed * (read - reading["test"] - reading["copies of test"]),
        **reading,
        # Tokens that stayed are already read.
        "untrained": read if spec.untrained and learns and not at_hand.untrained else 0,
        "check of the capture": scene.keypoint,
        **_views(spec, scene, acts=acts, unguided=at_hand.unguided),
    }


def _reading(spec: TrialSpec, scene: PerScene) -> dict[str, int]:
    """Return the images of one reading of tokens; on copies only the test scenes need a pass of their own."""
    copied = min(spec.copies_scenes or spec.fit_scenes, spec.fit_scenes) if spec.localise_copies else 0
    stages = {"choose": spec.optimise_scenes, "fit": spec.fit_scenes - copied, "test": spec.test_scenes,
              "copies of fit": copied * spec.localise_copies,
              "copies of test": spec.test_scenes * spec.localise_copies}
    return {name: scenes * scene.keypoint for name, scenes in stages.items()}


def _views(spec: TrialSpec, scene: PerScene, *, acts: bool, unguided: bool) -> dict[str, int]:
    """Return the images of view errors and of generated views, which are then read."""
    scenes, levels = min(spec.view_scenes, spec.test_scenes), spec.view_timesteps
    painted = min(spec.generated_scenes, spec.test_scenes) * scene.has_truth
    guided = scene.keypoint + scene.view if acts else 0  # the maps of the model's own estimate, and the pass they guide
    halves = 1 if spec.guidance == 1 else 2
    alone = scene.view + (0 if acts else scene.reference)
    return {
        "unguided views": 0 if unguided else scenes * len(set(levels)) * alone,
        "view errors": scenes * (scene.keypoint + len(levels) * (guided + scene.view + scene.reference)) * acts,
        "generated views": painted * spec.sampling_steps * (halves * (scene.view + scene.reference) + guided),
        "generated views, read": painted * (spec.localise_copies or 1) * scene.keypoint,
    }
