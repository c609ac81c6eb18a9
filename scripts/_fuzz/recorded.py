"""A recorded trial to damage, made once: a real record of made-up numbers."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp


@cache
def trial_folder() -> Path:
    """Return the folder of a finished trial of the experiment `quick`, as the store writes it."""
    import torch

    from harness.config.load import load
    from harness.method.results import TrialResult
    from harness.store.store import Store

    spec = next(iter(load("quick").trials))
    fingerprints = {"data": "d", "weights": "w"}
    points: dict[str, list[int] | list[float] | list[bool]] = {
        "scene": [0, 0], "view": [0, 0], "keypoint": [0, 1], "normaliser": [40.0, 40.0], "visible": [True, True],
        "error": [1.0, 9.0], "error_regressed": [1.0, 2.0], "error_untrained": [9.0, 9.0],
        "error_mean_pose": [5.0, 5.0], "error_oracle": [1.0, 1.0], "error_untrained_regressed": [4.0, 4.0]}
    curve = {"step": [0.0, 1.0], "loss": [2.0, 1.0], "sharpening": [2.0, 1.0], "sharpening_weighted": [2.0, 1.0]}
    scores = {"pck@0.05": 0.5, "pck@0.1": 0.5, "pck@0.2": 0.5, "nme": 0.125, "entropy": 0.6, "nvs_loss": 0.1}
    result = TrialResult("finished", "", scores, {"seconds_per_step": 0.5, "seconds_total": 2.0}, curve, points,
                         {"tokens": torch.zeros(1, 1)}, None, fingerprints, keypoints=("head", "tail"))
    store, trial = Store(mkdtemp(), "quick"), spec.id("d", "w")
    store.save(trial, spec, result, {}, {"git_commit": "a" * 40, "git_dirty": False, "device": "cpu: one"})
    return store.path(trial)
