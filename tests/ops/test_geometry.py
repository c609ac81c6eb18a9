import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ops.geometry import centres, fundamental, orbit, project, sampson, zero123plus_cameras
from harness.ops.tensors import generator


def test_the_middle_of_the_object_is_the_middle_of_every_view():
    cameras = zero123plus_cameras(azimuth=10.0)
    torch.testing.assert_close(project(cameras, torch.zeros(1, 3)), torch.full((6, 1, 2), 0.5))


def test_a_point_lands_where_its_angle_says():
    (points_yx,) = project(orbit([0.0], [0.0], fov=30.0, radius=4.0), torch.tensor([[0.0, 0.5, 0.25]]))
    focal = 0.5 / math.tan(math.radians(15))  # the camera stands on +x: y is to the right, z is up
    assert points_yx[0].tolist() == pytest.approx([0.5 - focal * 0.25 / 4, 0.5 + focal * 0.5 / 4])


def test_cameras_stand_on_their_sphere():
    cameras = zero123plus_cameras()
    torch.testing.assert_close(centres(cameras.matrices), cameras.directions * 4.0, atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 360), st.floats(5, 355), st.floats(-40, 40))
def test_projections_of_one_point_satisfy_the_fundamental_matrix(seed, azimuth, step, elevation):
    cameras = orbit([azimuth, azimuth + step], [0.0, elevation])
    points_xyz = torch.rand(5, 3, generator=generator("fundamental", seed)) - 0.5
    one, two = project(cameras, points_xyz)
    between = fundamental(cameras.matrices[0], cameras.matrices[1])
    assert sampson(between, one, two).max() < 1e-8
    assert sampson(between.T, two, one).max() < 1e-8  # the other way round
    assert torch.linalg.matrix_norm(between).item() == pytest.approx(1, abs=1e-5)


def test_sampson_distance_is_in_squared_sides():
    # cameras on the horizon: the middle row is its own epipolar line; both points share a vertical gap g: d^2 = g^2 / 2
    matrices = orbit([0.0, 90.0], [0.0, 0.0]).matrices
    between = fundamental(matrices[0], matrices[1])
    one, two = torch.tensor([[0.5, 0.5], [0.49, 0.5]]), torch.tensor([[0.5, 0.8], [0.51, 0.5]])
    assert sampson(between, one, two).tolist() == pytest.approx([0.0, 0.02**2 / 2], abs=1e-7)


def test_batches_of_pairs():
    matrices = zero123plus_cameras().matrices
    together = fundamental(matrices[:1].expand(5, -1, -1), matrices[1:])
    torch.testing.assert_close(together[3], fundamental(matrices[0], matrices[4]))
    points_yx = torch.rand(5, 7, 2, generator=generator("pairs"))
    assert sampson(together, points_yx, points_yx.flip(0)).shape == (5, 7)


def test_cameras_at_one_place_have_no_epipolar_lines():
    matrices = orbit([20.0, 20.0], [10.0, 10.0], rolls=[0.0, 45.0]).matrices
    between = fundamental(matrices[0], matrices[1])
    points_yx = torch.rand(4, 2, generator=generator("one place")).requires_grad_()
    distances = sampson(between, points_yx, points_yx.detach().flip(0))
    distances.sum().backward()
    assert distances.eq(0).all()
    assert points_yx.grad.eq(0).all()
