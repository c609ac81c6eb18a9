"""A scene, the tensors that a dataset returns; `harness.data.base` lends its name."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from harness.ops.geometry import Cameras


@dataclass(frozen=True)
class Scene:
    """One object in V views with K keypoints, as float32 tensors; all views are h x w pixels.

    Args:
        name: identifies the scene in records and caches.
        views: images in [0, 1].
        condition: image in [0, 1] from which Zero123++ paints the views, None for photographs; of any size, as the
            model scales it.
        points_yx: keypoints (row, column) as shares of the image's sides, from its upper left corner.
        visible: whether a keypoint is annotated and seen in a view; the others are never scored.
        normaliser_px: unit of errors in each view, in pixels of ``views``.
        cameras: one camera per view, None if unknown.
        points_xyz: keypoints in the world, NaN if unknown.
        caption: text that describes the image, "" for none.
        masks: M part masks per view.

    Example:
        >>> from harness.data.figures import Figures
        >>> scene = Figures(views=6, side_px=32).scene("test", 0)
        >>> scene.name, scene.views.shape, scene.points_yx.shape
        ('figures/biped/test/0', torch.Size([6, 3, 32, 32]), torch.Size([6, 10, 2]))
    """

    name: str
    views: Float[Tensor, "V 3 h w"]
    condition: Float[Tensor, "3 hc wc"] | None
    points_yx: Float[Tensor, "V K 2"]
    visible: Bool[Tensor, "V K"]
    normaliser_px: Float[Tensor, "V"]
    cameras: Cameras | None = None
    points_xyz: Float[Tensor, "K 3"] | None = None
    caption: str = ""
    masks: Bool[Tensor, "V M h w"] | None = None
