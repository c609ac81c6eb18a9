"""The layouts of the tables: their columns in order, and their references."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One score: its name in the record, the column's head, whether more (1) or less (-1) is better, and its format.

    ``digits`` are decimals; None means four significant digits. ``kind`` is the ``mean`` over seeds, the ``count`` of
    seeds that have it, such as 1/3, or the ``worst`` (largest) seed. ``tested`` columns are compared with the baseline.
    Columns of one ``group`` stay together when a wide table is split.
    """

    score: str
    head: str
    better: int = 0
    digits: int | None = 3
    kind: Literal["mean", "count", "worst"] = "mean"
    tested: bool = True
    group: str = ""


@dataclass(frozen=True)
class Reference:
    """A row without training; ``names`` maps a column's score, as a pattern, to the score of the reference."""

    label: str
    names: Mapping[str, str]

    def score(self, column: str) -> str | None:
        """Return the name of the reference's score for a column; None if it has none."""
        for pattern, name in self.names.items():
            if re.fullmatch(pattern, column):
                return re.sub(pattern, name, column)
        return None


@dataclass(frozen=True)
class TableLayout:
    """One table, shown if a trial has one of its ``core`` scores; ``columns`` picks from the names of all scores."""

    name: str
    title: str
    columns: Callable[[Sequence[str]], Sequence[Column]]
    core: tuple[str, ...]
    references: tuple[Reference, ...] = field(default=())
    note: str = ""


ALPHAS = ("0.05", "0.1", "0.2")
PCK = (
    *(Column(f"pck@{alpha}", f"PCK@{alpha}", 1, group="matched") for alpha in ALPHAS),
    *(Column(f"pck_regressed@{alpha}", f"regr.@{alpha}", 1, group="regressed") for alpha in ALPHAS),
    Column("nme", "NME", -1, group="regressed"),
)
OFFICIAL = (
    Column("inter_eye", "over inter-ocular", -1, digits=4),
    Column("visible_l2", "L2, by image", -1, digits=4),
    Column("visible_l2_pooled", "L2, by point", -1, digits=4),
    Column("summed_px", "summed distance", -1, digits=2),
    Column("summed_px_by_coordinate", "summed |x|+|y|", -1, digits=2),
    Column("within_6px", "within 6 px", 1),
    Column("mirrored_px", "mirrored px", -1, digits=2),
    Column("mirrored_px_exchanged", "exchanged px", -1, digits=2),
    *(Column(f"image_pck{kind}@{alpha}", f"{head}image@{alpha}", 1, group="by image" + kind)
      for kind, head in (("", ""), ("_regressed", "regr. ")) for alpha in ("0.05", "0.1", "0.15")),
    *(Column(f"point_pck{kind}@0.15", f"{head}point@0.15", 1, group="by image" + kind)
      for kind, head in (("", ""), ("_regressed", "regr. "))),
)
ATTENTION = (
    Column("entropy", "entropy"),
    Column("peak_mass", "peak mass"),
    Column("effective_area", "area", tested=False),
    Column("entropy_view_pass", "view pass"),
    Column("entropy_view_pass_apart", "apart"),
)
CONVERGENCE = (
    Column("steps_to_90", "steps to 90%", digits=1),
    Column("area_under_curve", "area"),
    Column("loss_final", "final loss", digits=None, tested=False),
    Column("diverged", "diverged", kind="count", tested=False),
    *(replace(column, tested=False) for column in ATTENTION[:2]),
)
VIEWS = (
    Column("nvs_loss", "error", -1, digits=None, group="error"),
    Column("nvs_loss_forced", "forced", digits=None, tested=False, group="error"),
    Column("psnr", "PSNR", 1, digits=2, group="generated"),
    Column("ssim", "SSIM", 1, group="generated"),
)
GENERATED = (
    Column("generated_pck@0.1", "PCK@0.1", 1, group="pck"),
    Column("generated_pck_true@0.1", "true PCK", 1, tested=False, group="pck"),
    Column("generated_reprojection_px", "reproj. px", -1, digits=2, group="reprojection"),
    Column("generated_reprojection_px_true", "true px", -1, digits=2, tested=False, group="reprojection"),
    Column("generated_error_3d", "3D error", -1, group="3d"),
    Column("generated_error_3d_true", "true 3D", -1, tested=False, group="3d"),
    Column("generated_pmpjpe", "P-MPJPE", -1, group="pmpjpe"),
    Column("generated_pmpjpe_true", "true P-MPJPE", -1, tested=False, group="pmpjpe"),
)
MULTIVIEW = (
    Column("reprojection_px", "reproj. px", -1, digits=2),
    Column("reprojection_relative", "relative", -1, tested=False),
    Column("spread_3d", "3D spread", -1),
    Column("error_3d", "3D error", -1),
    Column("pck_heldout@0.1", "held-out@0.1", 1),
)
COST = (
    Column("seconds_per_step", "s / step", digits=None, tested=False),
    Column("seconds_total", "s in all", digits=None, tested=False),
    Column("peak_memory_mb", "memory MB", digits=0, tested=False),
    Column("peak_gpu_memory_mb", "GPU MB", digits=0, tested=False),
    Column("unet_images", "UNet images", digits=0, tested=False),
    Column("parameters", "parameters", digits=0, tested=False),
)
AUTHENTICITY = (
    Column("attention_residual", "attention residual", kind="worst", tested=False),
    Column("row_sum_residual", "row sum residual", kind="worst", tested=False),
)


def _attention(names: Sequence[str]) -> list[Column]:
    layers = sorted((name for name in names if re.fullmatch(r"entropy_\d+x\d+", name)), key=_numbers)
    views = sorted((name for name in names if re.fullmatch(r"entropy_view\d+", name)), key=_numbers)
    parts = [Column(name, name.removeprefix("entropy_"), tested=False) for name in layers]
    parts += [Column(name, f"view {_numbers(name)[0]}", tested=False, group="view") for name in views]
    return [*ATTENTION, *parts]


def _views(names: Sequence[str]) -> list[Column]:
    levels = sorted((name for name in names if re.fullmatch(r"nvs_loss@t\d+", name)), key=_numbers)
    parts = [Column(name, name.removeprefix("nvs_loss@").replace("t", "t = "), -1, digits=None, tested=False,
                    group="error") for name in levels]
    return [*VIEWS[:2], *parts, *VIEWS[2:]]


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


TABLES = (
    TableLayout(
        "pck", "Keypoints: PCK and normalised mean error", lambda _: PCK, ("pck@0.1",),
        (
            Reference("mean pose", {r"pck@(.*)": r"pck_mean_pose@\1", "nme": "nme_mean_pose"}),
            Reference("untrained tokens", {
                r"pck@(.*)": r"pck_untrained@\1", r"pck_regressed@(.*)": r"pck_untrained_regressed@\1",
                "nme": "nme_untrained",
            }),
        ),
        "PCK@a: share of visible points whose error is at most a times the data's normaliser, tokens chosen without "
        "labels; regr. and NME: linear regression from all chosen tokens.",
    ),
    TableLayout(
        "official", "Keypoints by the data set's own measure", lambda _: OFFICIAL,
        tuple(column.score for column in OFFICIAL),
        (
            Reference("mean pose", {r"(image|point)_pck@(.*)": r"\1_pck_mean_pose@\2", r"(\w+)": r"\1_mean_pose"}),
            Reference("untrained tokens", {r"(image|point)_pck@(.*)": r"\1_pck_untrained@\2",
                                           r"(\w+)": r"\1_untrained"}),
        ),
        "Of the regressed points, as published figures are; image@a: PCK averaged image by image, point@a: over all "
        "points. docs/method.md gives each measure and its source.",
    ),
    TableLayout(
        "convergence", "Convergence", lambda _: CONVERGENCE, ("steps_to_90", "loss_final", "diverged"),
        note="steps to 90%: of the smoothed loss's drop; area: under that curve, 1 where it starts and 0 at its "
        "lowest; diverged: seeds that did. A falling loss with entropy near 1 has found nothing.",
    ),
    TableLayout(
        "attention", "Attention: normalised spatial entropy", _attention, ("entropy",),
        (Reference("untrained tokens", {r"(.+)": r"\1_untrained"}),),
        "entropy: of the selected tokens' maps divided by their sums, 1 for a uniform map, at map size, at the layers' "
        "own resolution, by view, and in the view pass (over text and tokens; apart: over the tokens alone, "
        "whose values compare with each other only); peak mass: share within 5% of the side around the peak; area: "
        "exp(H) / S.",
    ),
    TableLayout(
        "views", "Generated views: denoising error", _views, ("nvs_loss", "psnr"),
        (Reference("no fusion", {"nvs_loss": "nvs_loss_baseline"}),),
        "The error is guided by the model's own estimate, same noise in every row; forced: guided by the true views, a "
        "leak.",
    ),
    TableLayout(
        "generated", "Keypoints in generated views", lambda _: GENERATED, ("generated_pck@0.1",),
        (Reference("mean pose", {r"generated_pck@(.*)": r"generated_pck_mean_pose@\1"}),),
        "Each score in the generated views, then in the true views of the same scenes, as a perfect painter would "
        "give it. reproj.: found points against their triangulated point, without truth; P-MPJPE: 3D error after a "
        "similarity alignment per scene; 3D in scene units.",
    ),
    TableLayout(
        "multiview", "Agreement of the views", lambda _: MULTIVIEW, ("reprojection_px",),
        note="reproj.: found points against their triangulated point; 3D in scene units; held-out: PCK of each view "
        "from the points of the others.",
    ),
    TableLayout(
        "cost", "Cost", lambda _: COST, ("seconds_per_step", "seconds_total"),
        note="Of the machines that ran the trials, so not a property of the settings alone; memory: the process's "
        "largest so far.",
    ),
    TableLayout(
        "authenticity", "Captured attention against the layers' own outputs", lambda _: AUTHENTICITY,
        ("attention_residual",),
        note="The largest of all seeds. A trial above the tolerance of its precision fails and is in no row.",
    ),
)


def measured_by(score: str) -> tuple[str, ...]:
    """Return the settings that choose the scenes and noise levels of a score, besides those of the test data."""
    if score in ("psnr", "ssim") or score.startswith("generated_"):
        return ("generated_scenes",)
    if score.startswith("nvs_loss@"):
        return ("view_scenes",)
    return ("view_scenes", "view_timesteps") if score.startswith(("nvs_loss", "entropy_view_pass")) else ()


def extra_layout(scores: Sequence[str]) -> list[TableLayout]:
    """Return the layout of the further scores and costs in a report's `columns`; none if that is empty."""
    columns = tuple(Column(score, score, digits=None) for score in scores)
    return [TableLayout("extra", "Further scores", lambda _: columns, tuple(scores))] if scores else []
