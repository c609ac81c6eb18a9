"""What a trial observed on its test split, and the metrics that turn it into scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class HeldOut:
    """Errors on the fit split, each scene's with ties that other scenes made: M scenes, V views, K keypoints.

    An error is NaN where a keypoint has no token. The test split has no part in it.
    """

    error_px: Float[Tensor, "M V K"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]


@dataclass(frozen=True)
class Observations:
    """What a trial saw on the test split: M scenes, V views, K annotated keypoints. Float64 on the CPU.

    ``predictions`` are (M V K 2) (row, column) in [0, 1], NaN where a keypoint has no token, by protocol: ``""``
    (selected tokens matched on the fit split), ``regressed``, ``mean_pose``, ``oracle`` (labels choose among all
    tokens), ``untrained``, ``untrained_regressed``, ``untrained_oracle``. ``curve`` holds one value per step for the
    total (``loss``), every raw term and every ``<term>_weighted``. ``attention`` holds one value per scene, view and
    selected token or per scene and view, for statistics such as ``entropy`` or ``entropy_untrained``. ``views`` holds
    one value per scene and noise level for the view pass's errors, or per scene and view for PSNR and SSIM; these two
    may cover fewer scenes. ``residuals`` are the capture's checks against the layers' own outputs. ``fit`` is what was
    held out of the fit split, the only part that is not of the test split. ``official``, ``mirror`` and ``by_image``
    are the dataset's rules: its literature's own measure, counterparts of left and right, and PCK image by image.
    ``kept_yx`` are the kept tokens' points.
    """

    truth_yx: Float[Tensor, "M V K 2"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]
    size_px: tuple[int, int]
    predictions: Mapping[str, Float[Tensor, "M V K 2"]]
    cameras: Float[Tensor, "M V 3 4"] | None = None
    points_xyz: Float[Tensor, "M K 3"] | None = None
    curve: Mapping[str, Float[Tensor, " P"]] = field(default_factory=dict)
    attention: Mapping[str, Float[Tensor, "_ V ..."]] = field(default_factory=dict)
    views: Mapping[str, Float[Tensor, "_ ..."]] = field(default_factory=dict)
    residuals: Mapping[str, float] = field(default_factory=dict)
    fit: HeldOut | None = None
    official: str = ""
    mirror: tuple[int, ...] = ()
    by_image: bool = False
    kept_yx: Float[Tensor, "M V J 2"] | None = None


@dataclass(frozen=True)
class Metric(ABC):
    """One family of scores, computed from what a trial observed."""

    @abstractmethod
    def __call__(self, seen: Observations) -> dict[str, float]:
        """Return flat score names and values; nothing where the trial did not observe what the family needs."""


BASE = Metric
