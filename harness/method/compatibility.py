"""Checks that model, data and settings fit together, without loading the model or rendering a scene."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.config.spec import TrialSpec
from harness.data.base import SPLITS, Dataset
from harness.errors import UsageError
from harness.models.base import Model
from harness.models.pipelines import sides

if TYPE_CHECKING:
    from harness.models.pipelines.diffusion import Diffusion

BETWEEN_VIEWS = ("consistency_epipolar", "consistency_triangulation", "consistency_pose_weighted")  # need cameras


def check(spec: TrialSpec) -> None:
    """Raise UsageError, one line, if this trial is sure to fail after its model and data are loaded.

    Reads knobs and the model's config.json files. Conditions that these do not decide, such as those of a model that is
    not downloaded yet or of a dataset that does not declare its scenes' contents, are checked by the trial itself.
    """
    model: Model = registry.build("models", spec.model.name, spec.model.knobs)
    data: Dataset = registry.build("data", spec.data.name, spec.data.knobs)
    model.check_files()
    if spec.context_file:
        from harness.models.loading.embeddings import read_embeddings  # PyTorch reads it

        read_embeddings(spec.context_file)
    _check_layers(spec, model)
    _check_side(spec, model)
    _check_scenes(spec, data)
    losses = {loss.name for loss in spec.losses}
    if data.has_condition is False:
        check_condition(spec, model)
    canvas = spec.view_pass == "canvas" or (spec.paints_views and model.needs_canvas)
    if (canvas or spec.loss_level == "grid") and data.views not in (1, 6):
        raise UsageError(f"trial.data: a canvas holds 1 or 6 views; {spec.data.name!r} has {data.views}")
    if canvas and model.cameras and data.camera_version and model.cameras != data.camera_version:
        raise UsageError(f"model {spec.model.name!r} paints the views of Zero123++ {model.cameras}; data "
                         f"{spec.data.name!r} is seen by the cameras of {data.camera_version}: choose one version")
    for name in BETWEEN_VIEWS:
        if name in losses and data.views > 1 and data.has_cameras is False:
            raise UsageError(f"losses.{name}: the data has no cameras; drop the term or choose data with cameras")


def check_condition(spec: TrialSpec, model: "Model | Diffusion") -> None:
    """Raise UsageError if a pass of this trial needs a condition image; call it for data that has none."""
    name, data = spec.model.name, spec.data.name
    if spec.paints_views and model.needs_condition:
        raise UsageError(f"model {name!r} paints views from a condition image; data {data!r} has none: drop the nvs "
                         "loss and set view_scenes and generated_scenes to 0")
    if model.keypoints_need_condition(spec.context == "concat"):
        raise UsageError(f"model {name!r}: its keypoint pass looks at a condition image; data {data!r} has none: set "
                         "model.reference to none and model.embedding to false")


def checked_settings(spec: TrialSpec) -> tuple[Any, ...]:
    """Return the settings that `check` reads besides model and data; trials with equal ones all pass or all fail."""
    return (spec.layers, spec.loss_level, spec.view_pass, spec.context, spec.view_scenes > 0, spec.generated_scenes > 0,
            spec.steps > 0, spec.scenes_per_step, spec.optimise_scenes, spec.fit_scenes, spec.test_scenes,
            tuple(loss.name for loss in spec.losses))


def _check_layers(spec: TrialSpec, model: Model) -> None:
    count = model.up_layers()
    for index in spec.layers:
        if count is not None and index >= count:
            raise UsageError(f"trial.layers: {index} is out of range; this model's up path has {count}, from 0")


def _check_side(spec: TrialSpec, model: Model) -> None:
    """Raise UsageError for a side that the model cannot halve evenly; without the knob ``side_px`` do nothing."""
    multiple, side = model.side_multiple(), spec.data.knobs.get("side_px")
    if multiple is not None and side is not None:
        sides.demand((side,), multiple, "trial.data.side_px")


def _check_scenes(spec: TrialSpec, data: Dataset) -> None:
    """Raise UsageError if a split is too small: what is asked for, what is there, and what to set."""
    sizes = {split: data.size(split) for split in SPLITS}
    asked = {split: int(getattr(spec, f"{split}_scenes")) for split in SPLITS}
    short = {split: size for split, size in sizes.items() if size is not None and asked[split] > size}
    if short:
        counts = "; ".join(f"{split} has {size}, {asked[split]} asked for" for split, size in short.items())
        raise UsageError(f"data {spec.data.name!r} has too few scenes: {counts}; {_fewer(spec, short)}")
    if spec.steps and spec.scenes_per_step > spec.optimise_scenes:  # a step draws no scene twice
        raise UsageError(f"trial.scenes_per_step: {spec.scenes_per_step} asked for in one step; trial.optimise_scenes "
                         f"has {spec.optimise_scenes}")


def _fewer(spec: TrialSpec, short: Mapping[str, int]) -> str:
    """Return what to set so that the splits are large enough, or what an empty split takes."""
    sharing = spec.data.knobs.get("share_train") is False
    if not min(short.values()):
        ways = ["add scenes"]
        ways += ["set trial.data.share_train=true, which lets fit take those of optimise"] if sharing else []
        ways += ["change trial.data.test_share"] if "test_share" in spec.data.knobs else []
        return f"a split needs at least 1: {', or '.join(ways)}"
    settings = {f"{split}_scenes": size for split, size in short.items()}
    if spec.steps and spec.scenes_per_step > short.get("optimise", spec.optimise_scenes):
        settings["scenes_per_step"] = short.get("optimise", spec.optimise_scenes)
    more = ", or trial.data.share_train=true, for more in optimise and fit" if sharing and {*short} - {"test"} else ""
    return f"set {', '.join(f'trial.{name}={value}' for name, value in settings.items())}{more}"
