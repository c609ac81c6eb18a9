"""KeypointNet's annotation files and lists of models."""

from pathlib import Path

import numpy as np

from harness.data.formats.json_labels import parse_json, read_bytes
from harness.errors import UsageError


def read_annotations(path: Path, number: str, source: str) -> dict[str, dict[int, tuple[list[float], int]]]:
    """Return each model's keypoints by semantic id: place (x, y, z) and index in its point cloud."""
    entries = parse_json(read_bytes(path, source), path)
    keypoints: dict[str, dict[int, tuple[list[float], int]]] = {}
    for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            if entry["class_id"] != number:
                continue
            model = str(entry["model_id"])
            points = {int(item["semantic_id"]): ([float(x) for x in item["xyz"]], int(item["pcd_info"]["point_index"]))
                      for item in entry["keypoints"]}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"{path}: entry {place}: {type(error).__name__}: {error}") from error
        if model in keypoints:
            raise UsageError(f"{path}: entry {place}: model {model} is listed twice")
        for semantic, (xyz, index) in points.items():
            if len(xyz) != 3 or not np.isfinite(xyz).all() or index < 0 or semantic < 0:
                raise UsageError(f"{path}: model {model}: keypoint {semantic} has xyz {xyz}, point_index {index}")
        keypoints[model] = points
    return keypoints


def read_list(path: Path, number: str, annotated: set[str], annotation: Path) -> list[str]:
    """Return the listed models of one class; ``annotated`` are the models of the file ``annotation``."""
    models: dict[str, None] = {}
    for line, text in enumerate(path.read_text().splitlines(), 1):
        class_id, _, model = text.strip().partition("-")
        if text.strip() and not (class_id.isdigit() and model):
            raise UsageError(f"{path} line {line}: {text!r} is no <class id>-<model id>")
        if class_id != number:
            continue
        if model not in annotated or model in models:
            reason = "is listed twice" if model in models else f"is not in {annotation}"
            raise UsageError(f"{path} line {line}: model {model} {reason}")
        models[model] = None
    return list(models)
