"""The result of a trial, and its parts: the metrics' observations, the tables of points and scenes, the picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.data.base import Dataset
from harness.method.encode import Split
from harness.method.evaluate import Readout, mean_pose, predict
from harness.method.localise import Located
from harness.method.metrics._errors import errors_px
from harness.method.metrics.base import Observations
from harness.method.metrics.generated import in_points
from harness.method.metrics.multiview import agreement_by_point

Column = list[int] | list[float] | list[bool]

@dataclass(frozen=True)
class Exhibit:
    """The inputs of a trial's picture, captured tensors only: E scenes, V views, J kept tokens, K keypoints.

    ``match`` is each keypoint's index among the kept tokens, -1 for none; ``match_untrained`` the same before training.
    Without a reading of untrained tokens their points and maps are None.
    """

    names: tuple[str, ...]
    views: Float[Tensor, "E V 3 h w"]
    truth_yx: Float[Tensor, "E V K 2"]
    visible: Bool[Tensor, "E V K"]
    found_yx: Float[Tensor, "E V J 2"]
    found_untrained_yx: Float[Tensor, "E V J 2"] | None
    match: tuple[int, ...]
    match_untrained: tuple[int, ...]
    maps: Float[Tensor, "E V J H W"]
    maps_untrained: Float[Tensor, "E V J H W"] | None
    keypoint_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialResult:
    """The result of one trial, on the CPU.

    Attributes:
        status: "finished", or "failed" with a ``reason`` of one line.
        scores: Metrics by name; they depend on the spec alone, ``cost`` (seconds, MB) on the machine too.
        points: One row per scene, view and keypoint, see `point_table`.
        tokens: The tensors of tokens.safetensors.
        exhibit: The inputs of the picture; None for a trial that diverged.
        fit: One row per scene of the fit split: its cross-fitted ``pck_fit@<alpha>``; no rows without it.
        scenes: One row per score, scene and place, see `scene_table`.
        probes: One row per probe: the ``step`` before it, from 1, and ``pck_fit@<alpha>``.
        keypoints: The dataset's keypoint names, by their number in ``points``.
    """

    status: str
    reason: str
    scores: dict[str, float]
    cost: dict[str, float]
    curve: dict[str, list[float]]
    points: dict[str, Column]
    tokens: dict[str, Tensor]
    exhibit: Exhibit | None
    fingerprints: dict[str, str]
    fit: dict[str, Column] = field(default_factory=dict)
    scenes: dict[str, list[Any]] = field(default_factory=dict)
    probes: dict[str, list[float]] = field(default_factory=dict)
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extras:
    """Measurements besides the points in true views.

    They are the loss curve, view errors, the view pass's entropy, capture residuals, and points in generated views.
    """

    curve: Mapping[str, list[float]]
    views: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    residuals: Mapping[str, float] = field(default_factory=dict)
    painted: Located | None = None


def observations(trained: Readout, untrained: Readout | None, fit: Split, test: Split, extras: Extras) -> Observations:
    """Return the metrics' inputs: every protocol's points on the test split, and the extras."""
    predictions = predict(trained.located, trained.assignment, trained.kept)
    attention = dict(trained.located.statistics) | dict(extras.attention)
    if untrained is not None:
        before = predict(untrained.located, untrained.assignment, untrained.kept)
        predictions |= {f"untrained_{name}".rstrip("_"): points for name, points in before.items()}
        attention |= {f"{name}_untrained": values for name, values in untrained.located.statistics.items()}
    predictions["mean_pose"] = mean_pose(fit, test)
    painted, kept = extras.painted, trained.kept.cpu()
    return Observations(
        truth_yx=test.truth_yx.double(), visible=test.visible, normaliser_px=test.normaliser_px.double(),
        size_px=test.size_px, predictions=predictions,
        cameras=None if test.matrices is None else test.matrices.double(),
        points_xyz=None if test.points_xyz is None else test.points_xyz.double(),
        curve={name: torch.tensor(values, dtype=torch.float64) for name, values in extras.curve.items()},
        attention=attention, views=extras.views, residuals=extras.residuals, fit=trained.held_out,
        official=test.rules.official, mirror=test.rules.mirror, by_image=test.rules.by_image,
        kept_yx=trained.located.points_yx[:, :, kept], is_assigned=bool(fit.visible.any()),
        painted_yx=None if painted is None else predict(painted, trained.assignment, trained.kept)[""],
        painted_kept_yx=None if painted is None else painted.points_yx[:, :, kept],
    )


def point_table(observed: Observations) -> dict[str, Column]:
    """Return one row per scene, view and keypoint: its error and normaliser in pixels, visibility, and both points.

    A keypoint without a token has an infinite error: a miss at every threshold. ``error_<protocol>`` are the other
    protocols' errors. With cameras, ``error_heldout`` is that of the point given by the other views, and
    ``reprojection`` (px), ``ray`` and ``error_3d`` (scene units) those of the triangulated point, NaN if not counted;
    all four are left out for single views. Columns of generated views end in ``_generated`` and are NaN in scenes
    without; ``aligned_3d`` is the 3D error after a similarity alignment of the scene.
    """
    shape = observed.visible.shape
    grid = torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")
    columns = dict(zip(("scene", "view", "keypoint"), grid, strict=True))
    columns |= {"normaliser": observed.normaliser_px[..., None].expand(shape), "visible": observed.visible}
    for protocol, points in observed.predictions.items():
        error = errors_px(points, observed.truth_yx, observed.size_px).nan_to_num(nan=float("inf"))
        columns[f"error_{protocol}" if protocol else "error"] = error
    columns |= agreement_by_point(observed) | in_points(observed)
    for name, points in {"truth": observed.truth_yx, "found": observed.predictions[""]}.items():
        columns |= {f"{name}_y": points[..., 0], f"{name}_x": points[..., 1]}
    return {name: values.flatten().tolist() for name, values in columns.items()}


def scene_table(observed: Observations) -> dict[str, list[Any]]:
    """Return the values under the scores of attention and views: one row per ``score``, ``scene`` and ``place``.

    A place is a view, or a noise level of the view pass's errors; ``value`` is a mean over tokens if there are any.
    """
    columns: dict[str, list[Any]] = {"score": [], "scene": [], "place": [], "value": []}
    for name, values in {**observed.attention, **observed.views}.items():
        values = values.double()
        means = values.reshape(*values.shape[:2], -1).mean(-1) if values.ndim > 1 else values[:, None]  # -> (M places)
        for scene, row in enumerate(means.tolist()):
            for place, value in enumerate(row):
                for column, item in zip(columns.values(), (name, scene, place, value), strict=True):
                    column.append(item)
    return columns


def exhibit(data: Dataset, trained: Readout, untrained: Readout | None, test: Split) -> Exhibit:
    """Return the inputs of the trial's picture: the first scenes of the test split."""
    count = len(trained.located.maps)
    scenes = [data.scene("test", index) for index in range(count)]
    before = None if untrained is None else untrained.located.points_yx[:count][:, :, untrained.kept.cpu()].float()
    return Exhibit(
        names=tuple(scene.name for scene in scenes), views=torch.stack([scene.views for scene in scenes]),
        truth_yx=test.truth_yx[:count], visible=test.visible[:count],
        found_yx=trained.located.points_yx[:count][:, :, trained.kept.cpu()].float(),
        found_untrained_yx=before, match=trained.assignment.matched,
        match_untrained=() if untrained is None else untrained.assignment.matched, maps=trained.located.maps,
        maps_untrained=None if untrained is None else untrained.located.maps, keypoint_names=data.keypoint_names,
    )
