"""Keypoints in generated views: by hand, and in whole trials whose painter paints views that the test knows."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.method import trial
from harness.method.fingerprints import dataset
from harness.method.metrics.base import Observations
from harness.method.metrics.generated import Generated
from harness.ops.geometry import align, project, zero123plus_cameras
from harness.ops.tensors import generator
from harness.report.verify.from_files import recompute_from_points
from tests.conftest import small_spec

SIZE = (64, 64)


@pytest.fixture
def scene():
    cameras = zero123plus_cameras(20.0)
    points_xyz = (torch.rand(5, 3, generator=generator("generated")) - 0.5).double()
    return cameras.matrices.double(), points_xyz, project(cameras, points_xyz)


def observed(scene, painted_yx, found_yx=None, **changes):
    matrices, points_xyz, truth_yx = scene
    found = truth_yx if found_yx is None else found_yx
    return replace(Observations(
        truth_yx[None], torch.ones(1, 6, 5, dtype=torch.bool), torch.full((1, 6), 32.0, dtype=torch.float64), SIZE,
        {"": found[None]}, cameras=matrices[None], points_xyz=points_xyz[None], painted_yx=painted_yx[None]), **changes)


def test_perfect_views_have_perfect_scores(scene):
    scores = Generated()(observed(scene, scene[2]))
    assert scores["generated_pck@0.05"] == scores["generated_pck_true@0.05"] == 1
    for name in ("reprojection_px", "error_3d", "pmpjpe"):
        assert scores[f"generated_{name}"] == pytest.approx(0, abs=1e-4), name


def test_a_shift_of_all_views_costs_pck_and_not_the_aligned_error(scene):
    points_xyz = scene[1]
    moved = project(zero123plus_cameras(20.0), points_xyz + 0.2)
    scores = Generated()(observed(scene, moved))
    assert scores["generated_pck@0.05"] < 0.5
    assert scores["generated_reprojection_px"] == pytest.approx(0, abs=1e-4)
    assert scores["generated_error_3d"] == pytest.approx(0.2 * math.sqrt(3), abs=1e-4)
    assert scores["generated_pmpjpe"] == pytest.approx(0, abs=1e-4)


def test_mirrored_views_are_seen_in_3d_too(scene):
    mirrored = scene[2].clone()
    mirrored[..., 1] = 1 - mirrored[..., 1]
    scores = Generated()(observed(scene, mirrored))
    assert scores["generated_pck@0.05"] < 0.5
    assert scores["generated_pmpjpe"] > 0.01  # no rotation makes up for a reflection; perfect views have less than 1e-4


def test_one_view_that_disagrees_is_seen_without_truth(scene):
    wrong = scene[2].clone()
    wrong[3] = wrong[3].flip(0)
    assert Generated()(observed(scene, wrong))["generated_reprojection_px"] > 1


def test_points_without_a_token_are_misses_and_hidden_ones_do_not_count(scene):
    painted = scene[2].clone()
    painted[:, 0] = torch.nan
    visible = torch.ones(1, 6, 5, dtype=torch.bool)
    visible[:, :, 1] = False
    scores = Generated()(observed(scene, painted, visible=visible))
    assert scores["generated_pck@0.1"] == pytest.approx(3 / 4)
    assert "generated_pmpjpe" not in scores  # three points are left


def test_without_keypoints_the_kept_tokens_agree_or_not(scene):
    matrices, _, truth_yx = scene
    nothing = torch.zeros(1, 6, 0, 2, dtype=torch.float64)
    data = Observations(nothing, torch.zeros(1, 6, 0, dtype=torch.bool), torch.ones(1, 6).double(), SIZE,
                        {"": nothing}, cameras=matrices[None], kept_yx=truth_yx[None], painted_yx=nothing,
                        painted_kept_yx=truth_yx.flip(0)[None], is_assigned=False)
    scores = Generated()(data)
    assert set(scores) == {"generated_reprojection_px", "generated_reprojection_px_true"}
    assert scores["generated_reprojection_px"] > 1 > scores["generated_reprojection_px_true"]


def test_alignment_takes_out_rotation_scale_and_shift_alone():
    truth = torch.randn(6, 3, generator=generator("align")).double()
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator("rotation")).double()).Q
    rotation = rotation * torch.linalg.det(rotation)
    torch.testing.assert_close(align(0.3 * truth @ rotation - 2, truth), truth)
    mirrored = truth * torch.tensor([-1.0, 1, 1]).double()
    assert (align(mirrored, truth) - truth).norm() > 0.5


# Whole trials

SPEC = {"generated_scenes": 2, "sampling_steps": 2, "test_scenes": 3, "steps": 1}


def painting(monkeypatch, change):
    """Replace the painter by one that returns the true views after a change, and run a trial."""
    def painted(passes, split, count, tokens, kept, gates):
        images = torch.stack([dataset(passes.spec.data).scene("test", i).views for i in range(count)])
        return change(images)

    monkeypatch.setattr(trial, "painted_views", painted)
    return trial.run(small_spec(**SPEC))


@pytest.mark.usefixtures("random_models")
def test_views_painted_as_the_truth_have_the_true_views_scores(monkeypatch):
    scores = painting(monkeypatch, lambda images: images).scores
    names = [name for name in scores if name.startswith("generated_") and "_true" in name]
    assert {"generated_pck_true@0.1", "generated_reprojection_px_true", "generated_error_3d_true"} <= set(names)
    for name in names:
        assert scores[name.replace("_true", "")] == pytest.approx(scores[name], rel=1e-6, abs=1e-9), name
    assert scores["psnr"] == 100


@pytest.mark.usefixtures("random_models")
@pytest.mark.parametrize("change", [lambda images: images.flip(-1), lambda images: images.flip(0)],
                         ids=["mirrored", "another scene's"])
def test_other_views_are_seen(monkeypatch, change):
    scores = painting(monkeypatch, change).scores
    assert scores["generated_reprojection_px"] != pytest.approx(scores["generated_reprojection_px_true"], rel=1e-3)
    assert scores["generated_error_3d"] != pytest.approx(scores["generated_error_3d_true"], rel=1e-3)


@pytest.mark.usefixtures("random_models")
@pytest.mark.parametrize("settings", [{}, {"localise_copies": 2}, {"fusion": "concat"}], ids=str)
def test_the_true_views_scores_are_those_of_all_scenes_if_all_are_painted(settings):
    result = trial.run(small_spec(**{**SPEC, "generated_scenes": 3}, **settings))
    assert result.status == "finished"
    for name, other in {"generated_pck_true@0.1": "pck@0.1", "generated_reprojection_px_true": "reprojection_px",
                        "generated_error_3d_true": "error_3d"}.items():
        assert result.scores[name] == pytest.approx(result.scores[other], rel=1e-12), name
    assert result.scores["generated_pck_mean_pose@0.1"] == result.scores["pck_mean_pose@0.1"]


@pytest.mark.usefixtures("random_models")
def test_every_score_comes_out_again_from_the_points_table():
    result = trial.run(small_spec(**SPEC, fusion="concat"))
    points = {name: np.asarray(values) for name, values in result.points.items()}
    names = [name for name in result.scores if name.startswith("generated_")]
    assert len(names) >= 10
    for name in names:
        assert recompute_from_points(points, name) == pytest.approx(result.scores[name], rel=1e-9), name
