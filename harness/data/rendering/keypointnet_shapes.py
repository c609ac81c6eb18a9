"""Shapes of KeypointNet's models, point clouds or meshes: render a view, and test which keypoints are visible."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.rendering.point_clouds import Cloud, cones
from harness.data.rendering.raster import Floats, Picture, Triangles, first_depths, render

TOLERANCE = 0.02  # of the object's radius: depth of a surface in front of a keypoint that still counts as visible


def shows(surface: Floats, matrix: Floats, points_xyz: Floats, points_yx: Floats) -> NDArray[np.bool_]:
    """Return whether points (K) lie in the view and not behind triangles (F 3 3) of the world's."""
    inside = ((points_yx >= 0) & (points_yx <= 1)).all(-1)
    depths = points_xyz @ matrix[2, :3] + matrix[2, 3]
    visible: NDArray[np.bool_] = inside & (depths <= first_depths(surface, matrix, points_xyz) + TOLERANCE)
    return visible


def extent_px(points_xyz: Floats, matrix: Floats, side_px: int) -> float:
    """Return the longer side of the box around points (N 3) in a view, in pixels."""
    homogeneous = points_xyz @ matrix[:, :3].T + matrix[:, 3]
    return float(np.ptp(homogeneous[:, :2] / homogeneous[:, 2:], axis=0).max()) * side_px


@dataclass(frozen=True)
class CloudShape:
    """A point cloud, its placement in the world, and the surface (F 3 3, in the world) that hides keypoints."""

    cloud: Cloud
    turn: Floats
    shift: Floats
    surface: Floats

    @property
    def points(self) -> Floats:
        """The points in the world (N 3)."""
        return np.asarray(self.cloud.points @ self.turn.T + self.shift)

    def picture(self, matrix: Floats, side_px: int) -> Picture:
        """Return a view."""
        return render(cones(self.cloud, self.turn, self.shift, _centre(matrix)), matrix, side_px)


@dataclass(frozen=True)
class MeshShape:
    """A mesh in the world."""

    triangles: Triangles

    @property
    def points(self) -> Floats:
        """The vertices in the world (N 3)."""
        return self.triangles.corners.reshape(-1, 3)

    @property
    def surface(self) -> Floats:
        """The triangles in the world (F 3 3)."""
        return self.triangles.corners

    def picture(self, matrix: Floats, side_px: int) -> Picture:
        """Return a view."""
        return render(self.triangles, matrix, side_px)


def _centre(matrix: Floats) -> Floats:
    return np.asarray(-np.linalg.solve(matrix[:, :3], matrix[:, 3]))
