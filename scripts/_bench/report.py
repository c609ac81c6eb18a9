"""The cost of a report over many trials: 10,000 records in under 20 s and 1 GB, and linear in their number.

Records are synthetic, as large as those of six-view trials. The command runs in its own process, imports included.
"""

import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from _bench._commands import run
from harness.config.spec import RESULTS_VERSION, Choice, TrialSpec

SECONDS, MEGABYTES, GROWTH = 20.0, 1000.0, 1.3
SEEDS = 10
FUSIONS = ("none", "concat", "weighted", "blend")
ALPHAS = ("0.05", "0.1", "0.2")
SCORES = (
    *(f"pck{protocol}@{alpha}" for alpha in ALPHAS for protocol in (
        "", "_regressed", "_untrained", "_untrained_regressed", "_mean_pose", "_oracle", "_untrained_oracle",
        "_heldout", "_fit")),
    "nme", "nme_untrained", "nme_mean_pose", "visible_points", "entropy", "peak_mass", "effective_area", "entropy_8x8",
    "entropy_16x16", "entropy_view_pass", *(f"entropy_view{view}" for view in range(6)), "entropy_untrained",
    "peak_mass_untrained", "effective_area_untrained", "entropy_8x8_untrained", "entropy_16x16_untrained",
    "reprojection_px", "reprojection_relative", "spread_3d", "error_3d", "nvs_loss", "nvs_loss_forced",
    "nvs_loss_baseline", *(f"nvs_loss@t{level}" for level in (200, 500, 800)), "steps_to_90", "area_under_curve",
    "loss_final", "sharpening_final", "equivariance_final", "nvs_final", "diverged", "attention_residual",
    "row_sum_residual",
)
STEPS, SCENES, VIEWS, KEYPOINTS = 100, 40, 6, 10


def measure(records: int = 10_000) -> dict[str, Any]:
    """Return seconds and peak memory of reports on a quarter of the records and on all, and the growth of cost."""
    few, many = (_report(count) for count in (records // 4, records))
    growth = (many["cpu_seconds"] / few["cpu_seconds"] - 1) / 3  # 1 where four times as many cost four times as much
    return {"records": records, "few": few, "many": many, "growth": round(growth, 3),
            "targets": {"seconds": SECONDS, "megabytes": MEGABYTES, "growth": GROWTH}}


def _report(records: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        results = Path(folder)
        fill(results, records)
        found = run([sys.executable, "-m", "harness", "report", "many", "--results", str(results), "--output",
                     str(results / "paper")])
    return {name: round(value, 2) for name, value in found.items()}


def fill(results: Path, records: int) -> None:
    """Write ``records`` finished trials, ten seeds of each setting, in the store's format."""
    draw = random.Random(0)
    files = _files(results / "files")
    sizes = {file.name: file.stat().st_size for file in files}
    planned = {}
    for number in range(records):
        spec = _spec(number // SEEDS, number % SEEDS)
        trial = spec.id("d", "w")
        planned[trial] = spec.to_dict()
        folder = results / "many" / "trials" / trial
        folder.mkdir(parents=True)
        for file in files:
            os.link(file, folder / file.name)
        (folder / "record.json").write_text(json.dumps(_record(trial, spec, draw, sizes), indent=1))
    layout = {"rows": ["fusion", "learning_rate"], "baseline": {"fusion": "none"}, "columns": [], "tests": ["pck@0.1"]}
    (results / "many" / "experiment.json").write_text(json.dumps({"report": layout, "trials": planned}))


def _files(folder: Path) -> list[Path]:
    """Write a trial's files besides its record, once; all trials link to them."""
    import numpy as np
    import pandas as pd

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    index = np.indices((SCENES, VIEWS, KEYPOINTS)).reshape(3, -1)
    protocols = ("error", *(f"error_{name}" for name in ("regressed", "oracle", "untrained", "untrained_regressed",
                                                         "untrained_oracle", "mean_pose")))
    points = {**dict(zip(("scene", "view", "keypoint"), index, strict=True)), "normaliser": 40.0,
              "visible": random.uniform(size=index.shape[1]) < 0.8,
              **{name: random.uniform(0, 20, index.shape[1]) for name in protocols},
              **{name: random.uniform(size=index.shape[1]) for name in ("truth_y", "truth_x", "found_y", "found_x")}}
    losses = {name: np.exp(-np.arange(STEPS) / 20) for name in ("loss", "sharpening", "sharpening_weighted")}
    pd.DataFrame(points).to_parquet(folder / "points.parquet")
    pd.DataFrame({"step": np.arange(STEPS, dtype=float), **losses}).to_parquet(folder / "curve.parquet")
    pd.DataFrame({"scene": range(SCENES), "pck_fit@0.1": 0.5}).to_parquet(folder / "fit.parquet")
    (folder / "tokens.safetensors").write_bytes(bytes(60_000))
    (folder / "panel.png").write_bytes(bytes(80_000))
    return sorted(folder.iterdir())


def _spec(setting: int, seed: int) -> TrialSpec:
    fusion = FUSIONS[setting % len(FUSIONS)]
    return TrialSpec(
        Choice("tiny_zero123plus"), Choice("figures", {"family": "biped", "views": 6, "keypoints": "centres"}),
        Choice(fusion, {"strength": 1.0}), Choice("gaussian_fps", {"candidates": 25}),
        tuple(Choice(name, {"weight": 1.0, "ramp_steps": 0}) for name in ("sharpening", "equivariance", "nvs")),
        seed=seed, learning_rate=0.001 * (1 + setting // len(FUSIONS)),
    )


def _record(trial: str, spec: TrialSpec, draw: random.Random, sizes: dict[str, int]) -> dict[str, Any]:
    environment = {"command": "harness run many.yaml", "git_commit": "a" * 40, "git_dirty": False, "device": "cpu: one",
                   "threads": 2, "python": "3.11.9", "torch": "2.9.0", "platform": "Linux"}
    return {
        "id": trial, "experiment": "many", "spec": spec.to_dict(), "scores": {name: draw.random() for name in SCORES},
        "cost": {"seconds_per_step": draw.random(), "seconds_total": 50.0, "peak_memory_mb": 900.0, "parameters": 8e3},
        "status": "finished", "reason": "", "environment": environment, "fingerprints": {"data": "d", "weights": "w"},
        "started": f"2026-01-01T00:00:{spec.seed:02d}", "ended": "2026-01-01T00:01:00", "attempts": [],
        "keypoints": [f"part {number}" for number in range(KEYPOINTS)], "results_version": RESULTS_VERSION,
        "files": sizes,
    }
