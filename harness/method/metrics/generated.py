"""Keypoints in generated views: the kept tokens located in painted views as in true ones, in 2D and in 3D."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.metrics._agreement import by_point
from harness.method.metrics._errors import ALPHAS, errors_px, hits, share
from harness.method.metrics.base import Metric, Observations
from harness.ops.geometry import align, triangulate

LEAST_POINTS = 4  # of a scene whose 3D points are aligned: three always lie in a plane


@dataclass(frozen=True)
class Generated(Metric):
    """The matched points in generated views of the first test scenes, and in the true views of the same scenes.

    Scores: ``generated_pck@<alpha>``, errors against the true keypoints of those views; ``generated_reprojection_px``,
    as `reprojection_px`, which needs no truth; ``generated_error_3d``, the median distance of the triangulated points
    from the true ones; ``generated_pmpjpe``, their mean distance after a similarity alignment per scene, a mean over
    scenes of four points or more. The same with ``_true`` are of the true views: what a perfect painter would reach.
    ``generated_pck_mean_pose@<alpha>`` is what the mean pose reaches on them: keypoints in the views must beat it.
    """

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores; {} if no view was generated."""
        painted = painted_only(observed)
        if painted is None:
            return {}
        first = observed_first(observed, len(painted.visible))
        return _scores(painted, "") | _scores(first, "_true") | _pck(first, "mean_pose", "_mean_pose")


def painted_only(observed: Observations) -> Observations | None:
    """Return the observations of the generated views alone, None if there are none."""
    if observed.painted_yx is None or "" not in observed.predictions:
        return None
    first = observed_first(observed, len(observed.painted_yx))
    return replace(first, predictions={"": observed.painted_yx}, kept_yx=observed.painted_kept_yx)


def observed_first(observed: Observations, count: int) -> Observations:
    """Return the observed points of the first scenes."""
    def part(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[:count]

    return replace(
        observed, truth_yx=observed.truth_yx[:count], visible=observed.visible[:count],
        normaliser_px=observed.normaliser_px[:count], cameras=part(observed.cameras),
        points_xyz=part(observed.points_xyz), kept_yx=part(observed.kept_yx),
        predictions={name: points[:count] for name, points in observed.predictions.items()})


def by_keypoint(observed: Observations) -> dict[str, Float[Tensor, "M V K"]]:
    """Return `error` and `reprojection` (px), `error_3d` and `aligned_3d` (scene units) of each matched point."""
    found_yx = observed.predictions[""]
    error = errors_px(found_yx, observed.truth_yx, observed.size_px).nan_to_num(nan=torch.inf)
    columns: dict[str, Tensor] = {"error": error}
    if observed.cameras is None:
        return columns
    used = observed.visible & found_yx.isfinite().all(-1)
    columns |= by_point(observed.cameras, found_yx, used, observed.size_px, observed.points_xyz)
    del columns["ray"]
    if observed.points_xyz is not None and observed.points_xyz.shape[-2]:
        aligned = _aligned_errors(observed.cameras, found_yx, used, observed.points_xyz)  # (M K)
        columns["aligned_3d"] = aligned[:, None].expand_as(used)  # -> (M V K)
    return columns


def in_points(observed: Observations) -> dict[str, Float[Tensor, "M V K"]]:
    """Return the columns of the points table: `by_keypoint` of generated views, and `aligned_3d` of the true ones.

    NaN in scenes without generated views; {} if no view was generated.
    """
    painted = painted_only(observed)
    if painted is None or not observed.visible.shape[-1]:
        return {}
    columns = {f"{name}_generated": values for name, values in by_keypoint(painted).items()}
    true = by_keypoint(observed_first(observed, len(painted.visible)))
    columns |= {name: values for name, values in true.items() if name == "aligned_3d"}
    rest = len(observed.visible) - len(painted.visible)
    return {name: torch.cat([values, values.new_full((rest, *values.shape[1:]), torch.nan)])
            for name, values in columns.items()}


def _scores(observed: Observations, suffix: str) -> dict[str, float]:
    if not observed.visible.shape[-1]:  # no annotated keypoints: the kept tokens agree or not, without truth
        found_yx = observed.kept_yx
        if observed.cameras is None or found_yx is None:
            return {}
        used = found_yx.isfinite().all(-1)
        return _mean("generated_reprojection_px" + suffix, by_point(
            observed.cameras, found_yx, used, observed.size_px)["reprojection"])
    if not observed.scored:
        return {}
    columns = by_keypoint(observed)
    scores = _pck(observed, "", suffix)
    if "reprojection" in columns:
        scores |= _mean("generated_reprojection_px" + suffix, columns["reprojection"])
    if "error_3d" in columns:
        errors = columns["error_3d"][:, 0]  # equal in all views
        measured = errors[errors.isfinite()]
        scores |= {f"generated_error_3d{suffix}": measured.quantile(0.5).item()} if len(measured) else {}
        aligned = columns["aligned_3d"][:, 0].nanmean(-1)  # (M K) -> (M)
        scores |= _mean("generated_pmpjpe" + suffix, aligned)
    return scores


def _pck(observed: Observations, prediction: str, suffix: str) -> dict[str, float]:
    if not observed.scored or prediction not in observed.predictions:
        return {}
    error = errors_px(observed.predictions[prediction], observed.truth_yx, observed.size_px).nan_to_num(nan=torch.inf)
    return {f"generated_pck{suffix}@{alpha:g}": share(hits(error, observed.normaliser_px, alpha), observed.visible)
            for alpha in ALPHAS}


def _mean(name: str, values: Tensor) -> dict[str, float]:
    """Return the mean of the finite values under a name, {} if there is none."""
    measured = values[values.isfinite()]
    return {name: measured.mean().item()} if len(measured) else {}


def _aligned_errors(cameras: Float[Tensor, "M V 3 4"], found_yx: Float[Tensor, "M V K 2"], used: Bool[Tensor, "M V K"],
                    points_xyz: Float[Tensor, "M K 3"]) -> Float[Tensor, "M K"]:
    """Return the distances after each scene's alignment; NaN for a point that has no place, or a scene of few."""
    found_xyz = triangulate(cameras, found_yx, used.to(found_yx))  # (M K 3)
    errors = torch.full(found_xyz.shape[:2], torch.nan, dtype=found_xyz.dtype)
    for scene, (found, truth) in enumerate(zip(found_xyz, points_xyz, strict=True)):
        both = (found.isfinite() & truth.isfinite()).all(-1)
        if int(both.sum()) >= LEAST_POINTS:
            errors[scene, both] = (align(found[both], truth[both]) - truth[both]).norm(dim=-1)
    return errors
