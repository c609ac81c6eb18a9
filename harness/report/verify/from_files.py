"""Recomputes scores from a trial's parquet files, independently of harness.method.metrics."""

import math
import re
from typing import Any

import numpy as np

from harness.report.inputs import Columns

SPAN = 9  # steps of the moving average, as in docs/method.md, Convergence
AGREEMENT = {"reprojection_px": "reprojection", "reprojection_relative": "reprojection", "spread_3d": "ray",
             "error_3d": "error_3d"}
NME = {"nme": "error_regressed", "nme_untrained": "error_untrained_regressed", "nme_mean_pose": "error_mean_pose"}


def recompute_from_points(points: Columns, name: str) -> float | None:
    """Return a score from points.parquet: PCK, NME, number of points, agreement of views; None for any other."""
    if not {"error", "normaliser", "visible"} <= points.keys():
        return None
    visible = np.asarray(points["visible"], dtype=bool)
    if not visible.any():
        return None
    if name.startswith("generated_"):
        return _generated(points, name)
    if name in AGREEMENT:
        return _agreement(points, name)
    if name == "visible_points":
        return float(np.count_nonzero(visible))
    match = re.fullmatch(r"pck(?:_(\w+))?@([\d.]+)", name)
    column = NME.get(name) or (f"error_{match[1]}" if match and match[1] else "error" if match else "")
    if column not in points:
        return None
    error, normaliser = points[column][visible], points["normaliser"][visible]
    if match:
        return float(np.count_nonzero(error <= float(match[2]) * normaliser)) / len(error)
    mean = math.fsum(error / normaliser) / len(error)
    return mean if math.isfinite(mean) else None


def recompute_from_scenes(scenes: Columns, name: str) -> float | None:
    """Return a score from scenes.parquet: a mean over scenes, and over views or noise levels; None for any other."""
    view = re.fullmatch(r"entropy_view(\d+)", name)
    rows = scenes["score"] == ("entropy" if view else name)
    if view:
        rows = rows & (scenes["place"] == int(view[1]))
    values = scenes["value"][rows]
    return math.fsum(values) / len(values) if len(values) else None


def _agreement(points: Columns, name: str) -> float | None:
    """Return a score of the views' agreement, over the points that triangulate; None if none does."""
    if "reprojection" not in points:
        return None
    column = AGREEMENT[name]
    finite = np.isfinite(points[column])
    values = points[column][finite]
    if not len(values):
        return None
    if name == "reprojection_relative":
        values = values / points["normaliser"][finite]
    if name == "error_3d":  # one value per scene and keypoint, repeated for its views
        keys = np.stack([points["scene"][finite], points["keypoint"][finite]])
        return float(np.median(values[np.unique(keys, axis=1, return_index=True)[1]]))
    return float(np.sqrt(np.mean(np.square(values)))) if name == "spread_3d" else float(np.mean(values))


def _generated(points: Columns, name: str) -> float | None:
    """Return a score of generated views, or of the true views or the mean pose in the same scenes."""
    if "error_generated" not in points:
        return None
    rows = ~np.isnan(points["error_generated"])
    kind = name.removeprefix("generated_").replace("_true", "").replace("_mean_pose", "")
    end = "_mean_pose" if "_mean_pose" in name else "" if "_true" in name else "_generated"
    match = re.fullmatch(r"pck@([\d.]+)", kind)
    if match:
        rows = rows & np.asarray(points["visible"], dtype=bool)
        hit = points["error" + end][rows] <= float(match[1]) * points["normaliser"][rows]
        return float(np.count_nonzero(hit)) / len(hit) if len(hit) else None
    column = {"reprojection_px": "reprojection", "error_3d": "error_3d", "pmpjpe": "aligned_3d"}[kind] + end
    if column not in points:
        return None
    rows = rows & np.isfinite(points[column])
    values = points[column][rows]
    if kind == "reprojection_px" or not len(values):
        return float(np.mean(values)) if len(values) else None
    keys, first = np.unique(np.stack([points["scene"][rows], points["keypoint"][rows]]), axis=1, return_index=True)
    if kind == "error_3d":
        return float(np.median(values[first]))
    scenes = keys[0]
    return float(np.mean([values[first][scenes == scene].mean() for scene in np.unique(scenes)]))


def recompute_from_curve(curve: Columns, name: str) -> float | None:
    """Return a score from curve.parquet: steps to 90%, area, final values, divergence; None for any other."""
    if "loss" not in curve or not len(curve["loss"]):
        return None
    if not all(np.isfinite(values).all() for values in curve.values()):
        return 1.0 if name == "diverged" else None
    term = name.removesuffix("_final")
    if term != name:
        return float(moving_average(curve[term])[-1]) if term in curve and not term.endswith("_weighted") else None
    if name not in ("diverged", "steps_to_90", "area_under_curve"):
        return None
    height = moving_average(loss_at_last_weights(curve))
    first, lowest = height[0], height.min()
    if name == "diverged":
        return float(height[-1] > first)
    if lowest >= first:
        return None
    if name == "steps_to_90":
        return float(np.argmax(first - height >= 0.9 * (first - lowest) - 1e-12 * abs(first)))
    share = (height - lowest) / (first - lowest)
    return float((share.sum() - (share[0] + share[-1]) / 2) / (len(share) - 1))


def loss_at_last_weights(curve: Columns) -> "np.ndarray[Any, Any]":
    """Return the total loss with every term at its last weight, as its values and weighted values give it."""
    terms = [name for name in curve if f"{name}_weighted" in curve]
    if not terms:
        return np.asarray(curve["loss"], dtype=float)
    total = np.zeros(len(curve["loss"]))
    for name in terms:
        nonzero = np.flatnonzero(curve[name])
        if nonzero.size:
            total += curve[name] * (curve[f"{name}_weighted"][nonzero[-1]] / curve[name][nonzero[-1]])
    return total


def moving_average(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return the centred mean over SPAN steps, over fewer near the ends."""
    window, centre = np.ones(SPAN), slice(SPAN // 2, SPAN // 2 + len(values))
    return np.convolve(values, window)[centre] / np.convolve(np.ones(len(values)), window)[centre]
