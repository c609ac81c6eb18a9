"""Articulated figures, ray-cast from parametric parts: exact 3D keypoints, visibility, part masks and captions."""

import hashlib
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.base import Dataset
from harness.data.rendering.bodies import FAMILIES, PARTS
from harness.data.rendering.capsules import Array, Figure, turn
from harness.data.rendering.raycast import Pixels, SegmentMap, first_parts, rays, render, texture
from harness.ops.seeds import seed_of
from harness.registry import knob

if TYPE_CHECKING:
    import torch

    import harness.data._scene
    import harness.ops.geometry

VERSION = 2  # raise when a scene of the same name and knobs changes
PALETTE: dict[str, tuple[float, float, float]] = {
    "red": (0.87, 0.13, 0.13), "orange": (0.98, 0.53, 0.08), "yellow": (0.95, 0.87, 0.16), "green": (0.16, 0.62, 0.2),
    "cyan": (0.2, 0.8, 0.85), "blue": (0.14, 0.27, 0.85), "purple": (0.52, 0.2, 0.68), "pink": (0.98, 0.56, 0.74),
}
REACH = 1.03  # a ball of this radius at the origin stays inside every view: 4 * sin(15 degrees) = 1.035
GRAY = 0.5  # the background of Zero123++


@dataclass(frozen=True)
class Figures(Dataset):
    """Bipeds, quadrupeds and birds of ten segments whose colours do not identify them."""

    family: str = knob("biped", "kind of figure", choices=tuple(PARTS))
    views: int = knob(6, "six views laid out as Zero123++'s, or one view from anywhere", choices=(1, 6))
    side_px: int = knob(64, "side of a view in pixels", low=16, high=1024)
    keypoints: str = knob("centres", "segment centres, or joints and extremities", choices=("centres", "joints"))
    background: str = knob("auto", "behind the figure; auto: textured for one view, gray for six",
                           choices=("auto", "textured", "gray"))
    has_cameras = True

    def __post_init__(self) -> None:
        example = FAMILIES[self.family](_rng("names"))
        names = PARTS[self.family] if self.keypoints == "centres" else tuple(example.joints)
        object.__setattr__(self, "keypoint_names", names)

    def size(self, split: str) -> int | None:
        """Return None: all splits are endless."""
        return None

    def fingerprint(self) -> str:
        """Return a short hash of the generator's version and the knobs."""
        return hashlib.sha256(repr((VERSION, *astuple(self))).encode()).hexdigest()[:12]

    @property
    def has_condition(self) -> bool:
        """True for six views: they come with the image that Zero123++ paints them from."""
        return self.views == 6

    @property
    def camera_version(self) -> str:
        """Version 1.2 for six views."""
        return "v1.2" if self.views == 6 else ""

    def phrases(self, split: str, index: int) -> tuple[str, ...]:
        """Return the phrases of the caption ("red head"), in the order of the mask channels."""
        pairs = zip(self._colours(split, index), PARTS[self.family], strict=True)
        return tuple(f"{colour} {part}" for colour, part in pairs)

    def scene(self, split: str, index: int) -> "harness.data._scene.Scene":
        """Return scene ``index`` of ``split``; each split name gives a different stream of scenes."""
        import torch

        from harness.data._pixels import longest_side_px
        from harness.data._scene import Scene
        from harness.ops.geometry import project

        figure = self._figure(split, index)
        xyz, owners = self._keypoints(figure)
        cameras, *others = self._cameras(split, index)
        images, labels = zip(*(self._view(figure, split, index, cameras, v) for v in range(self.views)), strict=True)
        masks = np.stack(labels)[:, None] == np.arange(len(PARTS[self.family]))[:, None, None]
        conditions = [_float(self._view(figure, split, index, camera, 0, "condition")[0]) for camera in others]
        points_xyz = torch.from_numpy(xyz)
        points_yx = project(cameras, points_xyz)
        return Scene(
            name=f"figures/{self.family}/{split}/{index}",
            views=torch.stack([_float(image) for image in images]),
            condition=conditions[0] if conditions else None,
            points_yx=points_yx.float(),
            visible=torch.from_numpy(_visible(figure, owners, cameras, points_yx.numpy())),
            normaliser_px=torch.tensor([longest_side_px(mask.any(0)) for mask in masks]),
            cameras=cameras,
            points_xyz=points_xyz.float(),
            caption=f"a {self.family} with " + ", ".join(map(_with_article, self.phrases(split, index))),
            masks=torch.from_numpy(masks),
        )

    def _stream(self, split: str, index: int, *use: object) -> np.random.Generator:
        return _rng(self.family, split, index, *use)

    def _colours(self, split: str, index: int) -> list[str]:
        names, parts = list(PALETTE), PARTS[self.family]
        return [names[i] for i in self._stream(split, index, "colours").integers(len(names), size=len(parts))]

    def _figure(self, split: str, index: int) -> Figure:
        """Return the figure in the world: scaled, rotated, tilted and placed so that every camera sees all of it."""
        rng = self._stream(split, index, "figure")
        figure = FAMILIES[self.family](rng)
        axis = rng.uniform(0, 360)
        tilt = turn(2, axis) @ turn(0, rng.uniform(0, 75)) @ turn(2, -axis)
        rotation = tilt @ turn(2, rng.uniform(0, 360))
        centre, bound = figure.solids.bounding_sphere()
        scale = rng.uniform(0.82, 0.96) / bound
        figure = figure.moved(scale, rotation, -scale * rotation @ centre)
        heading = rng.standard_normal(3)
        heading /= np.linalg.norm(heading)
        place = heading * _room(figure, heading) * rng.uniform() ** 0.4
        return figure.moved(1.0, np.eye(3), place)

    def _keypoints(self, figure: Figure) -> tuple[Array, list[tuple[int, ...]]]:
        """Return the keypoints (K 3), and for each the segments that it belongs to."""
        if self.keypoints == "centres":
            return figure.centres, [(part,) for part in range(len(figure.centres))]
        return np.stack([xyz for xyz, _ in figure.joints.values()]), [parts for _, parts in figure.joints.values()]

    def _cameras(self, split: str, index: int) -> tuple["harness.ops.geometry.Cameras", ...]:
        """Return the views' cameras, and for six views the condition view's."""
        from harness.ops.geometry import orbit, zero123plus_cameras

        rng = self._stream(split, index, "cameras", self.views)
        azimuth = float(rng.uniform(0, 360))
        if self.views == 6:
            return zero123plus_cameras(azimuth), orbit([azimuth], [float(rng.uniform(-10, 30))])
        return orbit([azimuth], [float(rng.uniform(-15, 35))], rolls=[float(rng.uniform(-75, 75))]),

    def _view(self, figure: Figure, split: str, index: int, cameras: "harness.ops.geometry.Cameras", view: int,
              use: str = "view") -> tuple[Pixels, SegmentMap]:
        """Return one view's image (h w 3, uint8) and labels (h w)."""
        textured = self.background == "textured" or (self.background == "auto" and self.views == 1)
        background = np.full((self.side_px, self.side_px, 3), GRAY)
        if textured:
            place = self._stream(split, index, use, view)
            background = texture(self._stream(split, index, "style"), place, self.side_px)
        light = self._stream(split, index, "light").standard_normal(3)
        light[2] = abs(light[2]) + 0.5  # from above
        colours = np.array([PALETTE[name] for name in self._colours(split, index)])
        matrix = cameras.matrices[view].double().numpy()
        return render(figure.solids, colours, matrix, light / np.linalg.norm(light), background)


def _rng(*names: object) -> np.random.Generator:
    return np.random.default_rng(seed_of("figures", *names))


def _room(figure: Figure, heading: Array) -> float:
    """Return the distance along the unit vector ``heading`` at which the figure leaves the ball of radius REACH."""
    ends, radii = figure.solids.ends()
    along = ends @ heading
    return float((np.sqrt(along**2 - (ends**2).sum(1) + (REACH - radii) ** 2) - along).min())


def _float(image: Pixels) -> "torch.Tensor":
    import torch

    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


def _visible(figure: Figure, owners: list[tuple[int, ...]], cameras: "harness.ops.geometry.Cameras", points_yx: Array
             ) -> NDArray[np.bool_]:
    """Return (V K) whether a keypoint is in the image and its ray first meets one of the keypoint's segments."""
    rows = []
    for matrix, points in zip(cameras.matrices.double().numpy(), points_yx, strict=True):
        parts = first_parts(figure.solids, rays(matrix, points))
        inside = ((points >= 0) & (points <= 1)).all(-1)
        rows.append([part in segments for part, segments in zip(parts, owners, strict=True)] & inside)
    return np.stack(rows)


def _with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
