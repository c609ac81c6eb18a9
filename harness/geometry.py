"""Cameras and projection: where a 3D point lands in each view."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

ZERO123PLUS_AZIMUTHS = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)
ZERO123PLUS_ELEVATIONS = {"v1.1": (30.0, -20.0) * 3, "v1.2": (20.0, -10.0) * 3}


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras of V views.

    ``matrices`` takes a homogeneous world point (z up) to depth * (x, y, 1), with x to the right and y down in [0, 1] of
    the image. ``directions`` are unit vectors from the object to each camera.
    """

    matrices: Float[Tensor, "V 3 4"]
    directions: Float[Tensor, "V 3"]


def orbit(azimuths: list[float], elevations: list[float], *, fov: float = 30.0, radius: float = 4.0,
          rolls: list[float] | None = None) -> Cameras:
    """Return cameras on a sphere that look at the origin; angles in degrees, fov over the image's side."""
    matrices, directions = [], []
    focal = 0.5 / math.tan(math.radians(fov) / 2)
    rolls = rolls or [0.0] * len(azimuths)
    for azimuth, elevation, roll in zip(azimuths, elevations, rolls, strict=True):
        a, e, r = (math.radians(angle) for angle in (azimuth, elevation, roll))
        out = torch.tensor([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)], dtype=torch.float64)
        right = torch.tensor([-math.sin(a), math.cos(a), 0.0], dtype=torch.float64)
        up = torch.linalg.cross(out, right)
        right, up = math.cos(r) * right + math.sin(r) * up, math.cos(r) * up - math.sin(r) * right
        rotation = torch.stack([right, -up, -out])  # rows: camera x (right), y (down), z (forward)
        shift = torch.tensor([0.0, 0.0, radius], dtype=torch.float64)[:, None]
        intrinsics = torch.tensor([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], dtype=torch.float64)
        matrices.append(intrinsics @ torch.cat([rotation, shift], 1))
        directions.append(out)
    return Cameras(torch.stack(matrices).float(), torch.stack(directions).float())


def zero123plus_cameras(azimuth: float = 0.0, version: str = "v1.2", *, fov: float = 30.0, radius: float = 4.0) -> Cameras:
    """Return Zero123++'s six cameras for a condition view at ``azimuth`` degrees (elevations are absolute)."""
    azimuths = [azimuth + step for step in ZERO123PLUS_AZIMUTHS]
    return orbit(azimuths, list(ZERO123PLUS_ELEVATIONS[version]), fov=fov, radius=radius)


def project(cameras: Cameras, points_xyz: Float[Tensor, "K 3"]) -> Float[Tensor, "V K 2"]:
    """Return the points' (row, column) in [0, 1] of every view; outside [0, 1] means outside the image."""
    homogeneous = torch.cat([points_xyz, torch.ones_like(points_xyz[:, :1])], 1)
    x, y, depth = torch.einsum("vij,kj->ivk", cameras.matrices.to(points_xyz), homogeneous)
    return torch.stack([y / depth, x / depth], -1)
