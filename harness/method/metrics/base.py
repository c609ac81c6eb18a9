"""The interface of a metric: a trial's observations on its test split, and the scores computed from them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class HeldOut:
    """Errors on the fit split, each scene with the assignment made by other scenes: M scenes, V views, K keypoints.

    An error is NaN if the keypoint has no token. No test scene is included.
    """

    error_px: Float[Tensor, "M V K"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]


@dataclass(frozen=True)
class Observations:
    """A trial's observations on the test split, float64 on the CPU; points are (row, column) in [0, 1].

    M scenes, V views, K annotated keypoints, J kept tokens, P steps.

    Attributes:
        normaliser_px: The length by which each view's errors are divided; ``size_px`` are a view's rows and columns.
        predictions: Points by protocol, NaN if a keypoint has no token: ``""`` (selected tokens matched on the fit
            split), ``regressed``, ``mean_pose``, ``oracle`` (labels choose among all tokens), ``untrained``,
            ``untrained_regressed``, ``untrained_oracle``.
        cameras: Projection matrices as in `Cameras.matrices`, ``points_xyz`` points in space; None if unknown.
        curve: One value per step for the total (``loss``), every raw term and every ``<term>_weighted``.
        attention: Statistics such as ``entropy`` or ``entropy_untrained``, per scene and view (and selected token).
        views: The view pass's errors per scene and noise level, PSNR and SSIM per scene and view; perhaps fewer scenes.
        residuals: The capture's checks against the layers' own outputs.
        fit: Held-out errors of the fit split, the only part that is not of the test split.
        official: The measure of the dataset's own literature, "" for none. ``mirror`` holds each keypoint's counterpart
            of left and right; with ``by_image`` PCK is also averaged image by image.
        kept_yx: The kept tokens' points.
        painted_yx: The matched points in generated views of the first scenes, ``painted_kept_yx`` the kept tokens'
            points; None if no view was generated.
        is_assigned: False if no label of the fit split names a token for any keypoint: no protocol has predictions.
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
    painted_yx: Float[Tensor, "_ V K 2"] | None = None
    painted_kept_yx: Float[Tensor, "_ V J 2"] | None = None
    is_assigned: bool = True

    @property
    def scored(self) -> bool:
        """Whether there is a point to score, and a prediction of any."""
        return self.is_assigned and bool(self.visible.any())


@dataclass(frozen=True)
class Metric(ABC):
    """One family of scores.

    ``names`` is a pattern of the scores' names, so that an experiment's `report:` may name them; this package's own
    are in `harness.config.scores`.

    >>> import torch
    >>> class VisibleShare(Metric):
    ...     names = "visible_share"
    ...     def __call__(self, observed):
    ...         return {"visible_share": observed.visible.double().mean().item()}
    >>> points = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    >>> visible = torch.tensor([[[True, False]]])
    >>> VisibleShare()(Observations(points, visible, torch.ones(1, 1), (64, 64), {"": points}))
    {'visible_share': 0.5}
    """

    names: ClassVar[str] = ""

    @abstractmethod
    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return scores by name; {} if the trial did not observe the family's inputs."""


BASE = Metric
