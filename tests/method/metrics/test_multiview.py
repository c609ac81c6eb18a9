import math
from dataclasses import replace

import pytest
import torch

from harness.method.metrics._agreement import ray_distances
from harness.method.metrics.base import Observations
from harness.method.metrics.multiview import Multiview, held_out
from harness.ops.geometry import project, zero123plus_cameras
from harness.ops.tensors import generator

SIZE = (64, 64)


@pytest.fixture
def scene():
    cameras = zero123plus_cameras(20.0)
    points_xyz = (torch.rand(4, 3, generator=generator("multiview")) - 0.5).double()
    return cameras, points_xyz, project(cameras, points_xyz)


def observed(cameras, points_xyz, found_yx, truth_yx, visible=None):
    visible = torch.ones(1, 6, 4, dtype=torch.bool) if visible is None else visible
    return Observations(
        truth_yx[None], visible, torch.full((1, 6), 32.0, dtype=torch.float64), SIZE, {"": found_yx[None]},
        cameras=cameras.matrices.double()[None], points_xyz=None if points_xyz is None else points_xyz[None],
    )


def test_exact_points_agree(scene):
    cameras, points_xyz, truth_yx = scene
    scores = Multiview()(observed(cameras, points_xyz, truth_yx, truth_yx))
    assert scores["pck_heldout@0.05"] == 1
    for name in ("reprojection_px", "reprojection_relative", "spread_3d", "error_3d"):
        assert scores[name] == pytest.approx(0, abs=1e-5), name


def test_the_3d_error_is_the_median_with_the_mean_of_the_middle_two(scene):
    cameras, points_xyz, truth_yx = scene
    away = torch.tensor([0.1, 0.2, 0.4, 0.8]).double()[:, None] * torch.tensor([1.0, 0.0, 0.0]).double()
    scores = Multiview()(observed(cameras, points_xyz + away, truth_yx, truth_yx))
    assert scores["error_3d"] == pytest.approx(0.3, abs=1e-5)


def test_without_any_true_point_there_is_no_3d_error(scene):
    cameras, points_xyz, truth_yx = scene
    scores = Multiview()(observed(cameras, torch.full_like(points_xyz, torch.nan), truth_yx, truth_yx))
    assert "error_3d" not in scores
    assert scores["reprojection_px"] == pytest.approx(0, abs=1e-5)


def test_same_pixel_in_every_view_does_not_agree(scene):
    cameras, points_xyz, truth_yx = scene
    found_yx = truth_yx[:1].expand_as(truth_yx)
    scores = Multiview()(observed(cameras, points_xyz, found_yx, truth_yx))
    assert scores["reprojection_px"] > 1
    assert scores["reprojection_relative"] == pytest.approx(scores["reprojection_px"] / 32)
    assert scores["pck_heldout@0.05"] < 1


def test_held_out_view_ignores_its_own_point(scene):
    cameras, _, truth_yx = scene
    wrong = truth_yx.clone()
    wrong[2, 1] = torch.tensor([0.9, 0.1])
    used = torch.ones(6, 4, dtype=torch.bool)
    predicted = held_out(cameras.matrices.double(), wrong, used)
    torch.testing.assert_close(predicted[2], truth_yx[2], atol=1e-6, rtol=0)
    assert (predicted[0, 1] - truth_yx[0, 1]).norm() > 0.01


def test_hidden_and_unmatched_points_are_left_out_of_the_triangulation(scene):
    cameras, points_xyz, truth_yx = scene
    found_yx = truth_yx.clone()
    found_yx[0, 0] = math.nan  # not found
    found_yx[1, 1] = 0.0  # hidden and wrong
    visible = torch.ones(1, 6, 4, dtype=torch.bool)
    visible[0, 1, 1] = False
    scores = Multiview()(observed(cameras, points_xyz, found_yx, truth_yx, visible))
    assert scores["reprojection_px"] == pytest.approx(0, abs=1e-5)
    assert scores["pck_heldout@0.05"] == 1


def test_held_out_keypoint_seen_twice_is_a_miss(scene):
    cameras, points_xyz, truth_yx = scene
    visible = torch.zeros(1, 6, 4, dtype=torch.bool)
    visible[0, :2, 0] = True  # without either view one ray is left
    visible[0, :3, 1] = True
    scores = Multiview()(observed(cameras, points_xyz, truth_yx, truth_yx, visible))
    assert scores["pck_heldout@0.2"] == pytest.approx(3 / 5)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_held_out_views_are_scored_from_three_views_on(scene, views):
    """With fewer, no other two views are left to triangulate a point: a score of 0 would mean nothing."""
    cameras, points_xyz, truth_yx = scene
    every = observed(cameras, points_xyz, truth_yx, truth_yx)
    few = replace(every, truth_yx=every.truth_yx[:, :views], visible=every.visible[:, :views],
                  normaliser_px=every.normaliser_px[:, :views], predictions={"": every.predictions[""][:, :views]},
                  cameras=every.cameras[:, :views])
    assert any(name.startswith("pck_heldout") for name in Multiview()(few)) == (views == 3)


def test_ray_distance_by_hand():
    # A camera at (-4, 0, 0) looking along x, so that the ray of the image's centre is the x axis.
    matrix = torch.tensor([[[0.5, -2.0, 0.0, 2.0], [0.5, 0.0, -2.0, 2.0], [1.0, 0.0, 0.0, 4.0]]], dtype=torch.float64)
    centre = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64)
    off_axis = torch.tensor([[7.0, 3.0, 4.0]], dtype=torch.float64)
    assert ray_distances(matrix, centre, off_axis).item() == pytest.approx(5)


def test_spread_is_the_rms_of_the_ray_distances(scene):
    cameras, _, truth_yx = scene
    found_yx = truth_yx.clone()
    found_yx[3] += 0.02
    scores = Multiview()(observed(cameras, None, found_yx, truth_yx))
    assert 0 < scores["spread_3d"] < 0.02 * 4.5 / 1.8  # the shift at the farthest point's depth over the focal length
    assert "error_3d" not in scores


def test_nothing_without_cameras(scene):
    _, _, truth_yx = scene
    seen = Observations(
        truth_yx[None], torch.ones(1, 6, 4, dtype=torch.bool), torch.ones(1, 6), SIZE, {"": truth_yx[None]}
    )
    assert Multiview()(seen) == {}


def test_without_annotated_keypoints_every_kept_token_counts(scene):
    cameras, points_xyz, truth_yx = scene
    none = torch.zeros(6, 0, 2, dtype=torch.float64)
    bare = observed(cameras, points_xyz[:0], none, none, torch.zeros(1, 6, 0, dtype=torch.bool))
    assert Multiview()(bare) == {}
    scores = Multiview()(replace(bare, kept_yx=truth_yx[None]))
    assert scores.keys() == {"reprojection_px", "reprojection_relative", "spread_3d"}
    assert scores["reprojection_px"] == pytest.approx(0, abs=1e-5)
    same = Multiview()(replace(bare, kept_yx=truth_yx[:1].expand_as(truth_yx)[None]))
    annotated = Multiview()(observed(cameras, None, truth_yx[:1].expand_as(truth_yx), truth_yx))
    assert {name: annotated[name] for name in same} == same


def test_kept_tokens_do_not_count_beside_annotated_keypoints(scene):
    cameras, points_xyz, truth_yx = scene
    seen = observed(cameras, points_xyz, truth_yx, truth_yx)
    assert Multiview()(replace(seen, kept_yx=1 - truth_yx[None])) == Multiview()(seen)
