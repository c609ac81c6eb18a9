"""Scores that a search or a report may name: direction (maximize or minimize) and data source of each."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from harness.errors import UsageError, nearest
from harness.registry import variants

From = Literal["fit", "curve", "cost", "test", "labels"]  # `labels`: computed with the test split's labels


@dataclass(frozen=True)
class Score:
    """A score with its direction, `maximize` or `minimize`, and its source."""

    name: str
    direction: str
    source: From


ALPHA = r"@0\.(05|1|2)"
PATTERNS: tuple[tuple[str, str, From], ...] = (
    (rf"pck_fit{ALPHA}", "maximize", "fit"),
    (rf"pck(_((untrained_)?(regressed|oracle)|untrained|mean_pose|heldout))?{ALPHA}", "maximize", "labels"),
    (r"nme(_untrained|_mean_pose)?", "minimize", "labels"),
    (r"(inter_eye|visible_l2(_pooled)?|summed_px(_by_coordinate)?|mirrored_px(_exchanged)?)(_untrained|_mean_pose)?",
     "minimize", "labels"),
    (r"within_6px(_untrained|_mean_pose)?|(image|point)_pck(_regressed|_untrained|_mean_pose)?@0\.(05|15?)", "maximize",
     "labels"),
    (r"reprojection_px|reprojection_relative|spread_3d|error_3d", "minimize", "labels"),
    (r"steps_to_90|area_under_curve|diverged|\w+_final", "minimize", "curve"),
    (r"seconds_per_step|seconds_total|peak_memory_mb|peak_gpu_memory_mb|unet_images|parameters", "minimize", "cost"),
    (r"peak_mass(_untrained)?", "maximize", "test"),
    (r"entropy(_\w+)?|effective_area(_untrained)?", "minimize", "test"),
    (r"nvs_loss(_forced|_baseline|@t\d+)?", "minimize", "test"),
    (r"psnr|ssim", "maximize", "test"),
    (rf"generated_pck(_true|_mean_pose)?{ALPHA}", "maximize", "labels"),
    (r"generated_(reprojection_px|error_3d|pmpjpe)(_true)?", "minimize", "labels"),
)
NAMED = ("pck_fit@0.1", "pck_fit@0.05", "pck_fit@0.2", "nvs_loss", "psnr", "ssim", "entropy", "peak_mass",
         "effective_area", "loss_final", "steps_to_90", "area_under_curve", "seconds_per_step", "seconds_total",
         "peak_memory_mb")  # choices in an error message


NEEDED = {r"\w+_untrained": "untrained", r"nvs_loss(_forced|_baseline|@t\d+)?": "view_scenes",
          r"psnr|ssim": "generated_scenes"}  # settings that are neither 0 nor false in a trial with such a score
# Scores of a report that no search optimises.
RECORDED = r"group_(share|entropy)_\w+|visible_points|attention_residual|row_sum_residual"
REPORTED = (*(f"pck{kind}@{alpha}" for kind in ("", "_regressed", "_oracle", "_heldout", "_untrained", "_mean_pose")
              for alpha in ("0.05", "0.1", "0.2")), "nme", "reprojection_px", "reprojection_relative", "spread_3d",
            "error_3d", "generated_pck@0.1", "generated_reprojection_px", "generated_error_3d", "generated_pmpjpe",
            "entropy_view_pass", "nvs_loss_forced", "diverged", "unet_images", "parameters", *NAMED)


def check_reported(name: str, where: str) -> None:
    """Raise UsageError with the nearest names if no metric, of this package or of an extension, has such a score."""
    if any(re.fullmatch(pattern, name) for pattern in (*(pattern for pattern, _, _ in PATTERNS), RECORDED)):
        return
    if not any(re.fullmatch(metric.cls.names, name) for metric in variants("metrics")):
        close = get_close_matches(name, REPORTED, n=3, cutoff=0.5)
        nearby = f"; nearest: {', '.join(close)}" if close else ""
        raise UsageError(f"{where}: no trial has a score {name!r}{nearby}; docs/method.md lists the scores, and a "
                         "metric of your own declares its in `names`")


def needed_setting(name: str) -> str | None:
    """Return the setting without which a trial has no score of this name, None if there is none."""
    return next((setting for pattern, setting in NEEDED.items() if re.fullmatch(pattern, name)), None)


def find_score(name: str, where: str) -> Score:
    """Return the score of a name; raise UsageError with the nearest name if no trial has it."""
    for pattern, direction, source in PATTERNS:
        if re.fullmatch(pattern, name):
            return Score(name, direction, source)
    raise UsageError(f"{where}: unknown score {name!r}{nearest(name, NAMED)}")
