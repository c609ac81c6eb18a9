import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ops.geometry import orbit, project, reproject, triangulate, zero123plus_cameras
from harness.ops.tensors import generator


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 360))
def test_projected_points_come_back(seed, azimuth):
    cameras = zero123plus_cameras(azimuth)
    points_xyz = torch.rand(5, 3, generator=generator("triangulate", seed), dtype=torch.float64) - 0.5
    weights = torch.rand(6, 5, generator=generator("weights", seed), dtype=torch.float64) + 0.1
    found = triangulate(cameras.matrices.double(), project(cameras, points_xyz), weights)
    torch.testing.assert_close(found, points_xyz, atol=1e-5, rtol=0)


def test_reproject_equals_project_and_gives_the_depth():
    cameras = orbit([0.0, 90.0], [0.0, 0.0], radius=4.0)
    points_xyz = torch.tensor([[1.0, 0.0, 0.0], [-5.0, 0.5, 0.0], [5.0, 0.5, 0.0]])
    points_yx, depth = reproject(cameras.matrices, points_xyz)
    torch.testing.assert_close(points_yx[1], project(cameras, points_xyz)[1])
    assert depth[0].tolist() == pytest.approx([3.0, 9.0, -1.0])  # the camera stands at x = 4, looking towards -x


def test_weight_0_is_ignored_even_where_the_point_is_nan():
    cameras = zero123plus_cameras()
    points_xyz = torch.tensor([[0.1, -0.2, 0.3], [0.0, 0.2, -0.1]])
    points_yx = project(cameras, points_xyz)
    points_yx[0, 0] = math.nan
    points_yx[1, 1] = 0.9
    weights = torch.ones(6, 2)
    weights[0, 0] = weights[1, 1] = 0
    torch.testing.assert_close(triangulate(cameras.matrices, points_yx, weights), points_xyz, atol=1e-5, rtol=0)


def test_a_heavier_view_pulls_the_point():
    cameras = zero123plus_cameras().matrices.double()
    truth = torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64)
    points_yx = reproject(cameras, truth)[0]
    points_yx[2] += 0.05
    light, heavy = torch.ones(6, 1).double(), torch.ones(6, 1).double()
    light[2], heavy[2] = 0.01, 100.0
    errors = [(triangulate(cameras, points_yx, weights) - truth).norm() for weights in (light, heavy)]
    assert errors[0] < 0.1 * errors[1]


def test_one_view_gives_nan():
    cameras = zero123plus_cameras()
    weights = torch.zeros(6, 1)
    weights[3] = 1
    assert triangulate(cameras.matrices, torch.full((6, 1, 2), 0.5), weights).isnan().all()


def test_gradients_are_those_of_finite_differences():
    cameras = zero123plus_cameras().matrices.double()[None].expand(2, 6, 3, 4)
    points_yx = torch.rand(2, 6, 3, 2, generator=generator("gradient"), dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 6, 3, generator=generator("weight"), dtype=torch.float64).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, w: triangulate(cameras, p, w), (points_yx, weights))


def test_gradients_stay_finite_beside_a_keypoint_that_cannot_be_triangulated():
    points_yx = torch.full((6, 2, 2), 0.4, requires_grad=True)
    weights = torch.ones(6, 2)
    weights[1:, 1] = 0
    triangulate(zero123plus_cameras().matrices, points_yx, weights)[0].sum().backward()
    assert points_yx.grad.isfinite().all()
    assert points_yx.grad[:, 0].abs().sum() > 0
