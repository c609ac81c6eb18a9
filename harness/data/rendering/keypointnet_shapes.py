"""What KeypointNet's models are drawn from, point clouds or meshes, and how each tells what a view shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.point_clouds import Cloud, cones, shown
from harness.data.rendering.raster import Array, Picture, Triangles, render

TOLERANCE = 0.02  # of the object's radius: what a mesh may have before a keypoint that it shows


def extent_px(points_xyz: Array, matrix: Array, side_px: int) -> float:
    """Return the longer side of the box around points (N 3) in a view, in pixels."""
    homogeneous = points_xyz @ matrix[:, :3].T + matrix[:, 3]
    return float(np.ptp(homogeneous[:, :2] / homogeneous[:, 2:], axis=0).max()) * side_px


@dataclass(frozen=True)
class CloudShape:
    """A point cloud, where it is placed in the world, and which of its points are the keypoints (K, -1 for none)."""

    cloud: Cloud
    turn: Array
    shift: Array
    keypoints: NDArray[np.int64]

    @property
    def points(self) -> Array:
        """Return the points in the world (N 3)."""
        return np.asarray(self.cloud.points @ self.turn.T + self.shift)

    def picture(self, matrix: Array, side_px: int) -> Picture:
        """Return a view."""
        return render(cones(self.cloud, self.turn, self.shift, _centre(matrix)), matrix, side_px)

    def shows(self, matrix: Array, points_xyz: Array, points_yx: Array, picture: Picture) -> NDArray[np.bool_]:
        """Return whether each keypoint (K) is seen among the other points."""
        seen = shown(self.points, _centre(matrix))
        inside = np.asarray(((points_yx >= 0) & (points_yx <= 1)).all(-1))
        return seen[self.keypoints] & inside


@dataclass(frozen=True)
class MeshShape:
    """A mesh in the world."""

    triangles: Triangles

    @property
    def points(self) -> Array:
        """Return the vertices in the world (N 3)."""
        return self.triangles.corners.reshape(-1, 3)

    def picture(self, matrix: Array, side_px: int) -> Picture:
        """Return a view."""
        return render(self.triangles, matrix, side_px)

    def shows(self, matrix: Array, points_xyz: Array, points_yx: Array, picture: Picture) -> NDArray[np.bool_]:
        """Return whether each point (K) is no deeper than what the view shows there."""
        return picture.shows(points_yx, points_xyz @ matrix[2, :3] + matrix[2, 3], TOLERANCE)


def _centre(matrix: Array) -> Array:
    return np.asarray(-np.linalg.solve(matrix[:, :3], matrix[:, 3]))
