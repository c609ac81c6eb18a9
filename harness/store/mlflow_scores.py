"""The metrics of a trial's run in MLflow: the scores that people ask for, in groups whose alphabet is their order."""

import re
from collections.abc import Mapping, Sequence

MOST = 40  # metrics of one run; record.json has every score
GROUPS: Mapping[str, tuple[str, ...]] = {
    "1_pck": ("pck@0.1", "pck@0.05", "pck@0.2", "pck_regressed@0.1", "pck_heldout@0.1", "pck_oracle@0.1",
              "pck_untrained@0.1", "pck_mean_pose@0.1"),
    "2_error": ("nme", "nvs_loss", "nvs_loss_forced", "reprojection_px", "error_3d", "spread_3d"),
    "3_attention": ("entropy", "peak_mass", "effective_area", "entropy_view_pass", "entropy_untrained"),
    "4_convergence": ("loss_final", "steps_to_90", "area_under_curve", "diverged"),
    "5_cost": ("seconds_total", "seconds_per_step", "peak_memory_mb", "peak_gpu_memory_mb", "parameters"),
    "6_authenticity": ("attention_residual", "row_sum_residual"),
}
OTHER = "7_other"  # scores that no group names, such as those of a new metric
HEADLINES = {"pck@0.1": "PCK@0.1", "nme": "NME", "entropy": "entropy", "nvs_loss": "denoising error",
             "loss_final": "final loss"}
_GROUP = {score: group for group, scores in GROUPS.items() for score in scores}
_DETAIL = re.compile(r"@|_\d|_view\d|_untrained|_oracle|_regressed|_mean_pose|_heldout|_fit|_final|_baseline")
_STEMS = {_DETAIL.split(score)[0] for score in _GROUP}


def metric_name(name: str) -> str:
    """Return a score's name in the characters that MLflow allows: `pck@0.1` becomes `pck_at_0.1`."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name.replace("@", "_at_"))


def grouped(score: str) -> str:
    """Return a score's name in MLflow, its group first.

    Example:
        >>> grouped("pck@0.1")
        '1_pck/pck_at_0.1'
    """
    return metric_name(f"{_GROUP.get(score, OTHER)}/{score}")


def chosen(scores: Mapping[str, float], cost: Mapping[str, float], most: int = MOST) -> dict[str, float]:
    """Return at most so many scores and costs by their name in MLflow, those of interest first.

    Details of a score that a group names, such as its value of every view, are left out.
    """
    both = {**cost, **scores}
    named = [score for scores in GROUPS.values() for score in scores if score in both]
    new = [score for score in both if score not in _GROUP and _DETAIL.split(score)[0] not in _STEMS]
    return {grouped(score): both[score] for score in [*named, *new][:most]}


def curves(columns: Sequence[str]) -> list[str]:
    """Return the columns of a curve that become metrics: the loss and its parts, without their weighted copies."""
    return [name for name in columns if name != "step" and not name.endswith("_weighted")]
