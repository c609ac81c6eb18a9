"""Experiments in a store, with scores that harness.method.metrics took from made-up points and curves."""

import math

import torch

from harness import registry
from harness.config.spec import TrialSpec
from harness.method.metrics.base import Observations
from harness.method.results import TrialResult, point_table
from harness.ops.tensors import generator
from harness.store.store import Store

from .fakes import plain

SCENES, VIEWS, KEYPOINTS, STEPS = 5, 2, 4, 40
ENVIRONMENT = {"git_commit": "a" * 40, "git_dirty": False, "device": "cpu: one"}
SPREADS = {"": 0.1, "regressed": 0.08, "mean_pose": 0.3, "untrained": 0.2, "untrained_regressed": 0.15, "oracle": 0.05}


def observed(seed, quality=1.0):
    """Return what a trial may see; the same scenes for every seed, better points where quality is higher."""
    scenes, random = generator("scenes"), generator("points", seed, str(quality))
    truth = torch.rand(SCENES, VIEWS, KEYPOINTS, 2, generator=scenes, dtype=torch.float64)
    visible = torch.rand(SCENES, VIEWS, KEYPOINTS, generator=scenes) < 0.8
    normaliser = 40 + 20 * torch.rand(SCENES, VIEWS, generator=scenes, dtype=torch.float64)
    found = {}
    for name, spread in SPREADS.items():
        source = {"mean_pose": generator(name)}.get(name, generator(name, seed) if "untrained" in name else random)
        noise = torch.randn(truth.shape, generator=source, dtype=torch.float64)
        found[name] = truth + spread * noise / (1 if "mean" in name or "untrained" in name else quality)
    found[""][:, :, 3] = math.nan  # a keypoint that no token was matched to
    steps = torch.arange(STEPS, dtype=torch.float64)
    sharpening = torch.exp(-steps / (10 / quality)) + 0.01 * torch.randn(STEPS, generator=random, dtype=torch.float64)
    curve = {"step": steps, "sharpening": sharpening, "sharpening_weighted": 100 * sharpening, "loss": 100 * sharpening}
    entropy = torch.rand(SCENES, VIEWS, 3, generator=random, dtype=torch.float64)
    return Observations(truth, visible, normaliser, (64, 64), found, curve=curve,
                        attention={"entropy": entropy, "peak_mass": 1 - entropy},
                        residuals={"attention_residual": 1e-7 * (seed + 1), "row_sum_residual": 0.0})


def result(seed, quality=1.0, marks=None):
    """Return the trial that saw it, scored by the metrics."""
    seen = observed(seed, quality)
    scores = {name: score for metric in registry.variants("metrics") for name, score in metric.cls()(seen).items()}
    curve = {name: values.tolist() for name, values in seen.curve.items()}
    return TrialResult("finished", "", scores, {"seconds_per_step": 0.5, "seconds_total": 20.0}, curve,
                       point_table(seen), {"tokens": torch.zeros(1, 1)}, None, marks or {"data": "d1", "weights": "w1"})


def spec_of(seed, fusion="none", **changes):
    return TrialSpec.from_dict(plain(seed, fusion={"name": fusion}, **changes))


def keep(results, experiment, seed, fusion="none", quality=1.0, marks=None, environment=None):
    """Record one trial and return its id."""
    return keep_spec(results, experiment, spec_of(seed, fusion), quality, marks, environment)


def keep_spec(results, experiment, spec, quality=1.0, marks=None, environment=None):
    """Record a trial of a setting and return its id."""
    marks = marks or {"data": "d1", "weights": "w1"}
    trial = spec.id(marks["data"], marks["weights"])
    Store(results, experiment).save(trial, spec, result(spec.seed, quality, marks), {}, environment or ENVIRONMENT)
    return trial


QUALITIES = {"none": 1.0, "concat": 1.1, "blend": 2.0}


def keep_all(results, experiment="probe", seeds=3, fusions=tuple(QUALITIES)):
    """Record an experiment and return its trials' ids."""
    return [keep(results, experiment, seed, name, QUALITIES[name]) for name in fusions for seed in range(seeds)]
