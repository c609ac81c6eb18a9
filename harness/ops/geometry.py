"""Cameras, projection of 3D points into views, triangulation, and epipolar geometry."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harness.ops.rig import ZERO123PLUS_AZIMUTHS, ZERO123PLUS_ELEVATIONS


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras of V views.

    ``matrices`` takes a homogeneous world point (z up) to depth * (x, y, 1), with x to the right and y down in [0, 1]
    of the image. ``directions`` are unit vectors from the object to each camera.
    """

    matrices: Float[Tensor, "V 3 4"]
    directions: Float[Tensor, "V 3"]


def orbit(azimuths: list[float], elevations: list[float], *, fov: float = 30.0, radius: float = 4.0,
          rolls: list[float] | None = None) -> Cameras:
    """Return cameras on a sphere of ``radius`` that look at the origin, z up.

    All angles are in degrees: ``azimuths`` from the x axis, ``elevations`` above the horizon, the field of view ``fov``
    over the image's side, and ``rolls`` about each camera's axis (None for upright cameras).

    >>> project(orbit([0.0, 90.0], [0.0, 0.0]), torch.tensor([[0.0, 0.5, 0.0]])).squeeze(1)
    tensor([[0.5000, 0.7333],
            [0.5000, 0.5000]])
    """
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


def zero123plus_cameras(azimuth: float = 0.0, version: str = "v1.2", *, fov: float = 30.0, radius: float = 4.0
                        ) -> Cameras:
    """Return the six cameras of a Zero123++ release; ``fov`` and ``radius`` as in `orbit`.

    ``azimuth`` is the condition view's, in degrees; the cameras' are relative to it, their elevations absolute.

    >>> zero123plus_cameras(version="v1.1").matrices.shape
    torch.Size([6, 3, 4])
    """
    azimuths = [azimuth + step for step in ZERO123PLUS_AZIMUTHS]
    return orbit(azimuths, list(ZERO123PLUS_ELEVATIONS[version]), fov=fov, radius=radius)


def project(cameras: Cameras, points_xyz: Float[Tensor, "K 3"]) -> Float[Tensor, "V K 2"]:
    """Return the points' (row, column) in [0, 1] of every view; outside [0, 1] means outside the image.

    >>> project(zero123plus_cameras(), torch.zeros(1, 3))[0]
    tensor([[0.5000, 0.5000]])
    """
    homogeneous = torch.cat([points_xyz, torch.ones_like(points_xyz[:, :1])], 1)  # (K 3) -> (K 4)
    x, y, depth = torch.einsum("vij,kj->ivk", cameras.matrices.to(points_xyz), homogeneous)  # 3 x (V K)
    return torch.stack([y / depth, x / depth], -1)


def reproject(matrices: Float[Tensor, "*batch V 3 4"], points_xyz: Float[Tensor, "*batch K 3"]
              ) -> tuple[Float[Tensor, "*batch V K 2"], Float[Tensor, "*batch V K"]]:
    """Return the points' (row, column) in every view of their scene, and their depth; a point behind has depth <= 0."""
    homogeneous = torch.cat([points_xyz, torch.ones_like(points_xyz[..., :1])], -1)  # (*batch K 3) -> (*batch K 4)
    x, y, depth = torch.einsum("...vij,...kj->...vki", matrices.to(points_xyz), homogeneous).unbind(-1)
    return torch.stack([y / depth, x / depth], -1), depth


def triangulate(matrices: Float[Tensor, "*batch V 3 4"], points_yx: Float[Tensor, "*batch V K 2"],
                weights: Float[Tensor, "*batch V K"]) -> Float[Tensor, "*batch K 3"]:
    """Return the 3D points nearest to their views' points by weighted linear least squares (weighted DLT).

    Minimises over X the sum over views of w * ((x p3 - p1)X)^2 + w * ((y p3 - p2)X)^2, p1, p2, p3 the rows of the
    view's matrix (Hartley and Zisserman, Multiple View Geometry, 12.2, inhomogeneous form). Differentiable in points
    and weights.

    Args:
        matrices: The views' projection matrices, as in `Cameras`.
        points_yx: Each view's points (row, column) in [0, 1]; those of weight 0 may be NaN.
        weights: At least 0; a keypoint with fewer than two positive ones is NaN.

    >>> cameras, points_xyz = zero123plus_cameras(), torch.tensor([[0.1, -0.2, 0.3]])
    >>> triangulate(cameras.matrices, project(cameras, points_xyz), torch.ones(6, 1))
    tensor([[ 0.1000, -0.2000,  0.3000]])
    """
    matrices, used = matrices.to(points_yx), weights > 0
    y, x = torch.where(used[..., None], points_yx, 0.5).unbind(-1)  # (*batch V K 2) -> 2 x (*batch V K)
    p1, p2, p3 = (row[..., None, :] for row in matrices.unbind(-2))  # (*batch V 3 4) -> 3 x (*batch V 1 4)
    rows = torch.stack([x[..., None] * p3 - p1, y[..., None] * p3 - p2], -2)  # (*batch V K 2 4)
    normal = torch.einsum("...vk,...vkri,...vkrj->...kij", weights, rows[..., :3], rows)  # (*batch K 3 4)
    solvable = (used.sum(-2) >= 2)[..., None]  # (*batch K 1)
    square = torch.where(solvable[..., None], normal[..., :3], torch.eye(3).to(points_yx))  # (*batch K 3 3)
    solution = torch.linalg.solve_ex(square, -normal[..., 3:])[0][..., 0]  # (*batch K 3 1) -> (*batch K 3)
    return torch.where(solvable, solution, torch.nan)


def align(points: Float[Tensor, "K 3"], truth: Float[Tensor, "K 3"]) -> Float[Tensor, "K 3"]:
    """Return the points after the similarity (rotation, scale, shift) that brings them nearest to the true ones.

    Least squares, without reflection. Source: Umeyama, IEEE TPAMI 1991, equations 34 to 43.

    >>> truth = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> turned = truth @ torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> bool((align(3 * turned + 5, truth) - truth).abs().max() < 1e-5)
    True
    """
    centre, true_centre = points.mean(0), truth.mean(0)
    left, right = points - centre, truth - true_centre
    u, s, vh = torch.linalg.svd(right.T @ left)
    signs = torch.ones_like(s)
    signs[-1] = torch.sign(torch.linalg.det(u) * torch.linalg.det(vh))
    scale = (s * signs).sum() / left.square().sum()
    turned: Tensor = scale * left @ (u * signs @ vh).T + true_centre
    return turned


def fundamental(first: Float[Tensor, "*batch 3 4"], second: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return F with (x2, y2, 1) F (x1, y1, 1)^T = 0 for the images (x1, y1), (x2, y2) of one point; Frobenius norm 1.

    F = [P2 C]_x P2 P1^+, C the first camera's centre (Hartley and Zisserman, Multiple View Geometry, 9.2.2). Zero for
    two cameras with the same centre, which have no epipolar lines. Carries no gradient.
    """
    one, two = (matrices.detach().double() for matrices in (first, second))
    one, two = (matrices / torch.linalg.matrix_norm(matrices)[..., None, None] for matrices in (one, two))
    centre = torch.linalg.svd(one)[2][..., 3, :, None]  # (*batch 4 1)
    epipole = (two @ centre)[..., 0]  # (*batch 3)
    x, y, z = epipole.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)  # (*batch 9) -> (... 3 3)
    matrix = cross @ two @ torch.linalg.pinv(one)
    size = torch.linalg.matrix_norm(matrix)[..., None, None]
    return torch.where(epipole.norm(dim=-1)[..., None, None] > 1e-7, matrix / size.clamp_min(1e-12), 0.0).to(first)


def sampson(fundamentals: Float[Tensor, "*batch 3 3"], first_yx: Float[Tensor, "*batch K 2"],
            second_yx: Float[Tensor, "*batch K 2"]) -> Float[Tensor, "*batch K"]:
    """Return squared Sampson distances of pairs of points under their views' fundamental matrix, in squared sides.

    To first order, the squared distance by which both points together must move to lie on each other's epipolar lines.
    Always finite; 0 if the matrix is 0. Source: Hartley and Zisserman, Multiple View Geometry, 11.4.3.
    """
    first, second = (torch.cat([p.flip(-1), torch.ones_like(p[..., :1])], -1) for p in (first_yx, second_yx))
    lines_second = torch.einsum("...ij,...kj->...ki", fundamentals.to(first), first)
    lines_first = torch.einsum("...ij,...ki->...kj", fundamentals.to(first), second)
    residual = (second * lines_second).sum(-1)  # (*batch K)
    slope = lines_second[..., :2].square().sum(-1) + lines_first[..., :2].square().sum(-1)
    return residual.square() / (slope + 1e-12)  # the constant avoids 0 / 0 for two points at their epipoles


def centres(matrices: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3"]:
    """Return each camera's centre in the world."""
    centre: Tensor = torch.linalg.solve(matrices[..., :3], -matrices[..., 3])
    return centre
