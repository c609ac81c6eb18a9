"""The parts of figures: joint frames and stretched capsules."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Offset = Array | tuple[float | int, float | int, float | int]  # x, y, z
WHITE = (0.97, 0.95, 0.92)
DARK = (0.12, 0.11, 0.13)


def turn(axis: int, degrees: float | int) -> Array:
    """Return the 3 x 3 right-handed rotation about axis 0 (x), 1 (y) or 2 (z)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


@dataclass(frozen=True)
class Frame:
    """A joint's position and rotation; a figure looks along x, its left is y, z is up."""

    origin: Array = field(default_factory=lambda: np.zeros(3))
    axes: Array = field(default_factory=lambda: np.eye(3))

    def at(self, offset: Offset) -> Array:
        """Return the world's coordinates (3) of a point of this frame."""
        return np.asarray(self.origin + self.axes @ np.asarray(offset, dtype=np.float64))

    def child(self, offset: Offset, *rotations: Array) -> "Frame":
        """Return a frame at ``offset``, rotated by ``rotations``, of which the leftmost is applied last."""
        axes = self.axes
        for rotation in rotations:
            axes = axes @ rotation
        return Frame(self.at(offset), axes)


@dataclass(frozen=True)
class Solids:
    """P stretched capsules: x lies inside one if maps @ (x - centres) is within 1 of the z segment [-halves, halves].

    A half of 0 gives an ellipsoid. ``parts`` is the segment of each capsule, ``tints`` its own colour, NaN for that of
    the segment. ``reach`` is an upper bound of the distance between its points and its centre.
    """

    centres: Array  # P 3
    maps: Array  # P 3 3
    halves: Array  # P
    reach: Array  # P
    parts: NDArray[np.int64]  # P
    tints: Array  # P 3

    def moved(self, scale: float, rotation: Array, shift: Array) -> "Solids":
        """Return the solids after x -> scale * rotation @ x + shift."""
        return Solids(scale * self.centres @ rotation.T + shift, self.maps @ rotation.T / scale, self.halves,
                      scale * self.reach, self.parts, self.tints)

    def ends(self) -> tuple[Array, Array]:
        """Return centres (2P 3) and radii (2P) of balls at both ends of every solid; their hull contains the figure."""
        axes = np.linalg.inv(self.maps)
        radii = np.linalg.norm(axes, axis=1).max(1)
        spines = axes[:, :, 2] * self.halves[:, None]
        return np.concatenate([self.centres - spines, self.centres + spines]), np.concatenate([radii, radii])

    def bounding_sphere(self) -> tuple[Array, float]:
        """Return centre and radius of a sphere that contains every solid."""
        ends, radii = self.ends()
        centre = ((ends - radii[:, None]).min(0) + (ends + radii[:, None]).max(0)) / 2
        return centre, float((np.linalg.norm(ends - centre, axis=1) + radii).max())


@dataclass(frozen=True)
class Figure:
    """A posed figure: its solids, the centre of every segment, and its joints with the segments that meet in them."""

    solids: Solids
    centres: Array  # 10 3
    joints: dict[str, tuple[Array, tuple[int, ...]]]

    def moved(self, scale: float, rotation: Array, shift: Array) -> "Figure":
        """Return the figure after x -> scale * rotation @ x + shift."""
        joints = {name: (scale * rotation @ xyz + shift, parts) for name, (xyz, parts) in self.joints.items()}
        return Figure(self.solids.moved(scale, rotation, shift), scale * self.centres @ rotation.T + shift, joints)


class Sculptor:
    """Builds a figure from solids, centres and joints; segments are given by name."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = tuple(parts)
        self._rows: list[tuple[Array, Array, float, float, int, tuple[float, ...]]] = []
        self._centres = np.full((len(self._parts), 3), np.nan)
        self._joints: dict[str, tuple[Array, tuple[int, ...]]] = {}

    def limb(self, part: str, frame: Frame, length: float | int, radii: tuple[float, float, float],
             tint: tuple[float, float, float] | None = None) -> None:
        """Add a capsule along the frame's z axis from its origin to z = length, with radii along each axis."""
        half = abs(length) / 2
        self._rows.append((frame.at((0, 0, length / 2)), frame.axes.T / np.asarray(radii)[:, None], half / radii[2],
                           half + max(radii), self._parts.index(part), tint or (np.nan,) * 3))

    def ball(self, part: str, frame: Frame, offset: Offset, radii: tuple[float, float, float],
             tint: tuple[float, float, float] | None = None) -> None:
        """Add an ellipsoid along the frame's axes."""
        self.limb(part, frame.child(offset), 0.0, radii, tint)

    def band(self, part: str, frame: Frame, along: float | int, radii: tuple[float, float], half: float = 0.13) -> None:
        """Add a band around a limb at z = along: white on left limbs, dark on right ones, a fifth wider than the limb.

        Without it left and right differ by the figure's heading alone, which few pixels show.
        """
        tint = WHITE if part.startswith("left") else DARK
        self.ball(part, frame, (0, 0, along), (1.2 * radii[0], 1.2 * radii[1], half), tint)

    def centre(self, part: str, xyz: Array) -> None:
        """Set the centre keypoint of a segment."""
        self._centres[self._parts.index(part)] = xyz

    def joint(self, name: str, xyz: Array, *parts: str) -> None:
        """Add a joint or extremity, with the segments whose surface may be seen in front of it."""
        self._joints[name] = (xyz, tuple(self._parts.index(part) for part in parts))

    def figure(self) -> Figure:
        """Return the figure; every segment must have a centre."""
        assert not np.isnan(self._centres).any()
        centres, maps, halves, reach, parts, tints = (np.array(column) for column in zip(*self._rows, strict=True))
        return Figure(Solids(centres, maps, halves, reach, parts, tints), self._centres, self._joints)
