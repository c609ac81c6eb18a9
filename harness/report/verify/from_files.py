"""Scores taken again from a trial's own files, by other code than that which scored it."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

Columns = Mapping[str, "np.ndarray[Any, Any]"]
SPAN = 9  # steps of the moving average, see Convergence in docs/method.md
AGREEMENT = {"reprojection_px": "reprojection", "reprojection_relative": "reprojection", "spread_3d": "ray",
             "error_3d": "error_3d"}
NME = {"nme": "error_regressed", "nme_untrained": "error_untrained_regressed", "nme_mean_pose": "error_mean_pose"}


def from_points(points: Columns, name: str) -> float | None:
    """Return a score from points.parquet: PCK, NME, how many points, agreement of views; None for any other."""
    if not {"error", "normaliser", "visible"} <= points.keys():
        return None
    seen = np.asarray(points["visible"], dtype=bool)
    if not seen.any():
        return None
    if name in AGREEMENT:
        return _agreement(points, name)
    if name == "visible_points":
        return float(np.count_nonzero(seen))
    match = re.fullmatch(r"pck(?:_(\w+))?@([\d.]+)", name)
    column = NME.get(name) or (f"error_{match[1]}" if match and match[1] else "error" if match else "")
    if column not in points:
        return None
    error, normaliser = points[column][seen], points["normaliser"][seen]
    if match:
        return float(np.count_nonzero(error <= float(match[2]) * normaliser)) / len(error)
    mean = math.fsum(error / normaliser) / len(error)
    return mean if math.isfinite(mean) else None


def from_scenes(scenes: Columns, name: str) -> float | None:
    """Return a score from scenes.parquet: a mean over scenes, and over views or noise levels; None for any other."""
    view = re.fullmatch(r"entropy_view(\d+)", name)
    own = scenes["score"] == ("entropy" if view else name)
    if view:
        own = own & (scenes["place"] == int(view[1]))
    values = scenes["value"][own]
    return math.fsum(values) / len(values) if len(values) else None


def _agreement(points: Columns, name: str) -> float | None:
    """Return how views agree, over the points that triangulate; None where none does."""
    if "reprojection" not in points:
        return None
    column = AGREEMENT[name]
    counted = np.isfinite(points[column])
    values = points[column][counted]
    if not len(values):
        return None
    if name == "reprojection_relative":
        values = values / points["normaliser"][counted]
    if name == "error_3d":  # one value a scene and keypoint, which its views repeat; of two in the middle the lower
        keys = np.stack([points["scene"][counted], points["keypoint"][counted]])
        values = np.sort(values[np.unique(keys, axis=1, return_index=True)[1]])
        return float(values[(len(values) - 1) // 2])
    return float(np.sqrt(np.mean(np.square(values)))) if name == "spread_3d" else float(np.mean(values))


def from_curve(curve: Columns, name: str) -> float | None:
    """Return a score from curve.parquet: steps to 90%, area, final values, divergence; None for any other."""
    if "loss" not in curve or not len(curve["loss"]):
        return None
    if not all(np.isfinite(values).all() for values in curve.values()):
        return 1.0 if name == "diverged" else None
    term = name.removesuffix("_final")
    if term != name:
        return float(moving(curve[term])[-1]) if term in curve and not term.endswith("_weighted") else None
    if name not in ("diverged", "steps_to_90", "area_under_curve"):
        return None
    height = moving(at_last_weights(curve))
    first, lowest = height[0], height.min()
    if name == "diverged":
        return float(height[-1] > first)
    if lowest >= first:
        return None
    if name == "steps_to_90":
        return float(np.argmax(first - height >= 0.9 * (first - lowest) - 1e-12 * abs(first)))
    share = (height - lowest) / (first - lowest)
    return float((share.sum() - (share[0] + share[-1]) / 2) / (len(share) - 1))


def at_last_weights(curve: Columns) -> "np.ndarray[Any, Any]":
    """Return the loss as it would be with every term at the last weight that its values tell."""
    terms = [name for name in curve if f"{name}_weighted" in curve]
    if not terms:
        return np.asarray(curve["loss"], dtype=float)
    total = np.zeros(len(curve["loss"]))
    for name in terms:
        told = np.flatnonzero(curve[name])
        if told.size:
            total += curve[name] * (curve[f"{name}_weighted"][told[-1]] / curve[name][told[-1]])
    return total


def moving(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return the centred mean over SPAN steps, over those that there are near the ends."""
    window, shown = np.ones(SPAN), slice(SPAN // 2, SPAN // 2 + len(values))
    return np.convolve(values, window)[shown] / np.convolve(np.ones(len(values)), window)[shown]
