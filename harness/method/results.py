"""What a trial leaves, and how its readings become scores, points and a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.data.base import Dataset
from harness.method.encode import Split
from harness.method.evaluate import Readout, mean_pose, predict
from harness.method.metrics._errors import errors_px
from harness.method.metrics.base import Observations
from harness.method.metrics.multiview import agreement_by_point

Column = list[int] | list[float] | list[bool]

@dataclass(frozen=True)
class Exhibit:
    """What a trial's picture is drawn from, captured tensors only: E scenes, V views, J kept tokens, K keypoints.

    ``match`` is each keypoint's index among the kept tokens, -1 for none; ``match_untrained`` the same before training.
    """

    names: tuple[str, ...]
    views: Float[Tensor, "E V 3 h w"]
    truth_yx: Float[Tensor, "E V K 2"]
    visible: Bool[Tensor, "E V K"]
    found_yx: Float[Tensor, "E V J 2"]
    found_untrained_yx: Float[Tensor, "E V J 2"]
    match: tuple[int, ...]
    match_untrained: tuple[int, ...]
    maps: Float[Tensor, "E V J H W"]
    maps_untrained: Float[Tensor, "E V J H W"]
    keypoint_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialResult:
    """What a trial leaves; everything on the CPU. ``scores`` depend on the spec alone, ``cost`` on the machine too.

    ``fit`` has one row per scene of the fit split: its cross-fitted ``pck_fit@<alpha>``; no row where it has none.
    ``scenes`` has one row per score, scene and place, see `scene_table`. ``probes`` has one row per reading while it
    ran: the ``step`` that it followed, from 1, and ``pck_fit@<alpha>``. ``keypoints`` are the names of the data's, by
    their number in ``points``.
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
    """What a trial measured besides points: the loss curve, view errors, the view pass's entropy, capture residuals."""

    curve: Mapping[str, list[float]]
    views: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    residuals: Mapping[str, float] = field(default_factory=dict)


def observations(trained: Readout, untrained: Readout, fit: Split, test: Split, extras: Extras) -> Observations:
    """Return what the metrics score: every protocol's points on the test split, and the rest."""
    predictions = predict(trained.found, trained.assignment, trained.kept)
    before = predict(untrained.found, untrained.assignment, untrained.kept)
    predictions |= {f"untrained_{name}".rstrip("_"): points for name, points in before.items()}
    predictions["mean_pose"] = mean_pose(fit, test)
    attention = dict(trained.found.statistics) | dict(extras.attention)
    attention |= {f"{name}_untrained": values for name, values in untrained.found.statistics.items()}
    return Observations(
        truth_yx=test.truth_yx.double(), visible=test.visible, normaliser_px=test.normaliser_px.double(),
        size_px=test.size_px, predictions=predictions,
        cameras=None if test.matrices is None else test.matrices.double(),
        points_xyz=None if test.points_xyz is None else test.points_xyz.double(),
        curve={name: torch.tensor(values, dtype=torch.float64) for name, values in extras.curve.items()},
        attention=attention, views=extras.views, residuals=extras.residuals, fit=trained.held_out,
        official=test.rules.official, mirror=test.rules.mirror, by_image=test.rules.by_image,
        kept_yx=trained.found.points_yx[:, :, trained.kept.cpu()],
    )


def point_table(seen: Observations) -> dict[str, Column]:
    """Return one row per scene, view and keypoint: its error and normaliser in pixels, visibility, and both points.

    A keypoint without a token has an infinite error: a miss at every threshold. ``error_<protocol>`` are the others'.
    Where there are cameras, ``error_heldout`` is of the point that the other views give, and ``reprojection`` (px),
    ``ray`` and ``error_3d`` (scene units) are of the keypoint's triangulated point, NaN where it does not count.
    """
    shape = seen.visible.shape
    grid = torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")
    columns = dict(zip(("scene", "view", "keypoint"), grid, strict=True))
    columns |= {"normaliser": seen.normaliser_px[..., None].expand(shape), "visible": seen.visible}
    for protocol, points in seen.predictions.items():
        error = errors_px(points, seen.truth_yx, seen.size_px).nan_to_num(nan=float("inf"))
        columns[f"error_{protocol}" if protocol else "error"] = error
    columns |= agreement_by_point(seen)
    for name, points in {"truth": seen.truth_yx, "found": seen.predictions[""]}.items():
        columns |= {f"{name}_y": points[..., 0], f"{name}_x": points[..., 1]}
    return {name: values.flatten().tolist() for name, values in columns.items()}


def scene_table(seen: Observations) -> dict[str, list[Any]]:
    """Return what scores of attention and views are means of: one row per ``score``, ``scene`` and ``place``.

    A place is a view, or a noise level of the view pass's errors; ``value`` is a mean over tokens where there are any.
    """
    columns: dict[str, list[Any]] = {"score": [], "scene": [], "place": [], "value": []}
    for name, values in {**seen.attention, **seen.views}.items():
        means = values.double().reshape(*values.shape[:2], -1).mean(-1) if values.ndim > 1 else values.double()[:, None]
        for scene, row in enumerate(means.tolist()):
            for place, value in enumerate(row):
                for column, item in zip(columns.values(), (name, scene, place, value), strict=True):
                    column.append(item)
    return columns


def exhibit(data: Dataset, trained: Readout, untrained: Readout, test: Split) -> Exhibit:
    """Return what the trial's picture is drawn from: the first scenes of the test split."""
    count = len(trained.found.maps)
    scenes = [data.scene("test", index) for index in range(count)]
    return Exhibit(
        names=tuple(scene.name for scene in scenes), views=torch.stack([scene.views for scene in scenes]),
        truth_yx=test.truth_yx[:count], visible=test.visible[:count],
        found_yx=trained.found.points_yx[:count][:, :, trained.kept.cpu()].float(),
        found_untrained_yx=untrained.found.points_yx[:count][:, :, untrained.kept.cpu()].float(),
        match=trained.assignment.matched, match_untrained=untrained.assignment.matched,
        maps=trained.found.maps, maps_untrained=untrained.found.maps, keypoint_names=data.keypoint_names,
    )
