"""Stores of made-up trials with given points, curves and scores, in the form that a run writes."""

from types import SimpleNamespace

import numpy as np
import torch

from harness.config.spec import TrialSpec
from harness.store.store import Store
from tests.report.fakes import plain

WHERE = {"git_commit": "a" * 40, "git_dirty": False, "command": "harness run made-up", "device": "cpu"}


def points(errors, normaliser=10.0, visible=None, **more):
    """Columns of points.parquet from errors (scenes, views, keypoints) in pixels; ``more`` are columns as they are."""
    errors = np.asarray(errors, dtype=float)
    scene, view, keypoint = np.indices(errors.shape).reshape(3, -1)
    shown = np.ones(errors.shape, bool) if visible is None else np.asarray(visible, bool)
    own = {"scene": scene, "view": view, "keypoint": keypoint, "normaliser": np.full(errors.size, normaliser),
           "visible": shown.ravel(), "error": errors.ravel()}
    return {name: np.asarray(column).ravel().tolist() for name, column in (own | more).items()}


def curve(loss, **terms):
    return {"step": list(map(float, range(len(loss)))), "loss": list(map(float, loss)), **terms}


def add(results, experiment="fake", seed=0, *, points=None, curve=None, probes=None, scores=None, cost=None,
        panel=b"png", status="finished", keypoints=(), **changes):
    """Save one trial and return its record."""
    spec = TrialSpec.from_dict(plain(seed, **changes))
    store = Store(results, experiment)
    trial = spec.id("d1", "w1")
    tokens = torch.zeros(2, 3)
    result = SimpleNamespace(
        status=status, reason="" if status == "finished" else "made up", scores=scores or {}, cost=cost or {},
        curve=curve or {}, points=points or {}, fit={}, scenes={}, probes=probes or {}, keypoints=keypoints,
        fingerprints={"data": "d1", "weights": "w1"},
        tokens={"tokens": tokens, "initial": tokens, "kept": torch.tensor([0, 1])},
    )
    store.mark_started(trial)
    store.save(trial, spec, result, {"panel": panel}, WHERE)
    return store.record(trial)


def fusion(name, strength=1.0):
    return {"name": name, "strength": strength}


def study(results, levels=(("none", 0.30), ("concat", 0.32), ("blend", 0.42)), seeds=3, scenes=6, experiment="fake",
          panel=b"png"):
    """Save a whole comparison of fusions with every file a report reads; blend is the best and costs the most."""
    found = []
    for name, level in levels:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, round(1000 * level)])
            shape = (scenes, 2, 3)
            errors = rng.gamma(1.4, 0.9 / level, shape)
            truth = rng.uniform(0.2, 0.8, (errors.size, 2))
            found_at = np.clip(truth + rng.normal(0, 0.05, truth.shape), 0, 1)
            columns = points(
                errors, visible=rng.random(shape) < 0.8, error_untrained=np.random.default_rng(seed).gamma(2, 3, shape),
                error_mean_pose=np.full(shape, 3.0), truth_y=truth[:, 0], truth_x=truth[:, 1],
                found_y=found_at[:, 0], found_x=found_at[:, 1],
            )
            relative = np.asarray(columns["error"])[columns["visible"]] / 10
            scores = {f"pck@{a}": float((relative <= a).mean()) for a in (0.05, 0.1, 0.2)}
            scores |= {f"entropy_{size}": 0.9 - level / 10 + rng.normal(0, 0.01) for size in ("8x8", "16x16", "32x32")}
            scores |= {"entropy": 0.9 + rng.normal(0, 0.01), "entropy_untrained": 0.98, "entropy_view_pass": 0.8,
                       "nvs_loss": 0.1 + rng.normal(0, 0.001), "visible_points": float(len(relative))}
            sharp = 0.03 * np.exp(-np.arange(20) / 8) + 0.01 + rng.normal(0, 0.001, 20)
            falling = curve(100 * sharp, sharpening=sharp.tolist(), sharpening_weighted=(100 * sharp).tolist())
            found.append(add(results, experiment, seed, points=columns, curve=falling, scores=scores,
                             cost={"seconds_per_step": level * 2}, panel=panel, fusion=fusion(name)))
    return found
