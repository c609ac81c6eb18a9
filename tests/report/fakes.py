"""Records as the store gives them, with made-up scores."""

import random
import zlib

from harness.config.spec import RESULTS_VERSION, Choice, TrialSpec

SPEC = TrialSpec(
    Choice("tiny_sd"), Choice("figures", {"family": "biped", "views": 1}), Choice("none"), Choice("gaussian_fps"),
    (Choice("sharpening", {"weight": 100.0}), Choice("equivariance", {"weight": 1000.0})),
)


def plain(seed=0, **changes):
    return {**SPEC.to_dict(), "seed": seed, **changes}


def record(spec, scores=None, status="finished", **extra):
    return {
        "id": f"{zlib.crc32(str(spec).encode()):08x}", "experiment": "fake", "spec": spec,
        "scores": scores or {}, "cost": {},
        "status": status, "reason": "", "environment": {"git_commit": "a" * 40}, "results_version": RESULTS_VERSION,
        "fingerprints": {"data": "d1", "weights": "w1"}, **extra,
    }


def scores(level, seed, spread=0.01):
    noise = random.Random(f"{level} {seed}")
    base = {f"pck@{a}": level + shift for a, shift in ((0.05, -0.2), (0.1, 0.0), (0.2, 0.2))}
    base |= {"pck_regressed@0.1": level + 0.1, "nme": 0.2 - 0.2 * level, "entropy": 0.9, "peak_mass": 0.1}
    base |= {"effective_area": 0.5, "steps_to_90": 50.0, "area_under_curve": 0.3, "loss_final": 12.345}
    values = {name: value + spread * noise.uniform(-1, 1) for name, value in base.items()}
    fixed = {f"pck_mean_pose@{a}": 0.1 for a in (0.05, 0.1, 0.2)} | {"nme_mean_pose": 0.25}
    untrained = random.Random(seed).uniform(0.38, 0.42)
    fixed |= {f"pck_untrained@{a}": untrained for a in (0.05, 0.1, 0.2)}
    fixed |= {"pck_untrained_regressed@0.1": untrained + 0.1, "nme_untrained": 0.12, "entropy_untrained": 0.98}
    return values | fixed | {"diverged": 0.0, "visible_points": 480.0}


FUSIONS = {"none": 0.5, "concat": 0.52, "weighted": 0.55, "hierarchical": 0.51, "spatial": 0.7, "blend": 0.45}


def fusion_records(seeds=3):
    return [
        record(plain(seed, fusion={"name": name, "strength": 1.0}), scores(level, seed))
        for name, level in FUSIONS.items()
        for seed in range(seeds)
    ]
