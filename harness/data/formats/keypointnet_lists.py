"""KeypointNet's annotation files and lists of models."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError


def read_annotations(path: Path, number: str) -> dict[str, dict[int, tuple[list[float], int]]]:
    """Return each model's keypoints by semantic id: place and index in its point cloud."""
    try:
        entries = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise UsageError(f"{path}: no JSON: {error}") from error
    found: dict[str, dict[int, tuple[list[float], int]]] = {}
    for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            if entry["class_id"] != number:
                continue
            model = str(entry["model_id"])
            points = {int(point["semantic_id"]): _keypoint(point) for point in entry["keypoints"]}
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path}: entry {place}: {type(error).__name__}: {error}") from error
        if model in found:
            raise UsageError(f"{path}: entry {place}: model {model} is there twice")
        for semantic, (xyz, index) in points.items():
            if len(xyz) != 3 or not np.isfinite(xyz).all() or index < 0 or semantic < 0:
                raise UsageError(f"{path}: model {model}: keypoint {semantic} has xyz {xyz}, point_index {index}")
        found[model] = points
    return found


def _keypoint(point: Any) -> tuple[list[float], int]:
    return [float(value) for value in point["xyz"]], int(point["pcd_info"]["point_index"])


def read_list(path: Path, number: str, known: set[str], annotation: Path) -> list[str]:
    """Return the models of one class that a list names."""
    seen: dict[str, None] = {}
    for line, text in enumerate(path.read_text().splitlines(), 1):
        found, _, model = text.strip().partition("-")
        if text.strip() and not (found.isdigit() and model):
            raise UsageError(f"{path} line {line}: {text!r} is no <class id>-<model id>")
        if found != number:
            continue
        if model not in known or model in seen:
            why = "is there twice" if model in seen else f"is not in {annotation}"
            raise UsageError(f"{path} line {line}: model {model} {why}")
        seen[model] = None
    return list(seen)
