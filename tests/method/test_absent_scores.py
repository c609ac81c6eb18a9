"""Scores that have no meaning are absent from a whole trial's result, not 0."""

from dataclasses import replace

import pytest
import torch

from harness.data.figures import Figures
from harness.method import readings, trial
from tests.conftest import small_spec

pytestmark = pytest.mark.usefixtures("random_models")
LOSSES = ("sharpening", "equivariance", "nvs")
AGREEMENT = {"reprojection_px", "reprojection_relative", "spread_3d", "error_3d"}
HELD_OUT = {"pck_heldout@0.05", "pck_heldout@0.1", "pck_heldout@0.2"}
CURVE = {"loss_final", "sharpening_final", "equivariance_final", "nvs_final", "diverged", "steps_to_90",
         "area_under_curve"}
LABELS = {"pck@0.1", "pck_regressed@0.1", "pck_mean_pose@0.1", "pck_untrained@0.1", "nme", "nme_mean_pose",
          "visible_points"}


def scores(spec):
    result = trial.run(spec)
    assert result.status == "finished", result.reason
    return result, result.scores.keys()


def single(**settings):
    return small_spec(model="tiny_sd", data={"views": 1}, losses=("sharpening", "consistency_pixel"), **settings)


def test_six_views_have_every_score():
    result, names = scores(small_spec(fusion="concat", losses=LOSSES, generated_scenes=1, sampling_steps=1, steps=6))
    expected = AGREEMENT | HELD_OUT | LABELS | {"loss_final", "sharpening_final", "nvs_final", "diverged"}
    assert expected | {"entropy_view5", "entropy_view_pass", "nvs_loss", "psnr", "ssim", "pck_fit@0.1"} <= names
    assert {"seconds_per_step", "seconds_total"} <= result.cost.keys()
    assert {"error_heldout", "reprojection", "ray", "error_3d"} <= result.points.keys()


def test_single_views_have_no_score_of_several():
    result, names = scores(single())
    assert not names & (AGREEMENT | HELD_OUT | {"entropy_view0", "consistency_pixel_final"})
    assert {"sharpening_final", "pck@0.1", "nme"} <= names
    assert not result.points.keys() & {"error_heldout", "reprojection", "ray", "error_3d"}


def test_two_views_have_no_held_out_view(monkeypatch):
    whole = Figures.scene

    def two(self, split, index):
        scene = whole(self, split, index)
        cameras = replace(scene.cameras, matrices=scene.cameras.matrices[:2], directions=scene.cameras.directions[:2])
        return replace(scene, views=scene.views[:2], points_yx=scene.points_yx[:2], visible=scene.visible[:2],
                       normaliser_px=scene.normaliser_px[:2], cameras=cameras, masks=None)

    monkeypatch.setattr(Figures, "scene", two)
    monkeypatch.setattr(Figures, "fingerprint", lambda self: "two views")
    result, names = scores(small_spec(model="tiny_sd", losses=("sharpening",), view_scenes=0))
    assert not names & HELD_OUT
    assert names >= AGREEMENT
    assert "error_heldout" not in result.points


def test_views_generated_without_a_condition_have_no_truth():
    assert not scores(single(generated_scenes=1, sampling_steps=1))[1] & {"psnr", "ssim"}


def test_no_steps_have_no_curve_and_no_time_per_step():
    result, names = scores(replace(small_spec(losses=LOSSES), steps=0))
    assert not names & CURVE
    assert result.cost.keys() >= {"seconds_total"}
    assert "seconds_per_step" not in result.cost


@pytest.mark.parametrize(("steps", "there"), [(1, False), (5, False), (6, True)])
def test_a_curve_of_one_mean_says_nothing_of_divergence(steps, there):
    assert ("diverged" in scores(replace(single(view_scenes=0), steps=steps))[1]) == there


def test_a_pass_that_attends_to_no_token_has_no_entropy():
    for fusion, knobs in (("none", {}), ("spatial", {}), ("concat", {"strength": 0.0})):
        assert "entropy_view_pass" not in scores(small_spec(fusion=fusion, fusion_knobs=knobs))[1]


def change_scenes(monkeypatch, change, name):
    whole = Figures.scene
    monkeypatch.setattr(Figures, "scene", lambda self, split, index: change(split, whole(self, split, index)))
    monkeypatch.setattr(Figures, "fingerprint", lambda self: name)


def test_without_a_label_to_fit_on_no_keypoint_is_scored(monkeypatch):
    def hide(split, scene):
        return replace(scene, visible=scene.visible & (split == "test"))

    change_scenes(monkeypatch, hide, "bare fit")
    names = scores(small_spec())[1]
    assert not names & (LABELS | HELD_OUT | AGREEMENT | {"pck_fit@0.1"})
    assert "entropy" in names


@pytest.mark.parametrize("unit", [0.0, float("nan"), float("inf")])
def test_a_view_without_a_unit_of_errors_is_not_scored(monkeypatch, unit):
    def spoil(split, scene):
        sides = scene.normaliser_px.clone()
        sides[0] = unit
        return replace(scene, normaliser_px=sides)

    change_scenes(monkeypatch, spoil, f"unit {unit}")
    result, names = scores(small_spec())
    assert {"nme", "pck@0.1"} <= names
    assert all(torch.tensor(value).isfinite() for value in result.scores.values())
    views, visible = (torch.tensor(result.points[column]) for column in ("view", "visible"))
    assert not visible[views == 0].any()


def test_one_fit_scene_holds_nothing_out():
    assert "pck_fit@0.1" not in scores(replace(small_spec(), fit_scenes=1))[1]


@pytest.mark.parametrize("settings", [{"view_scenes": 0}, {"localise_copies": 1}], ids=str)
def test_without_the_untrained_tokens_the_other_scores_are_the_same(settings):
    whole, spared = (trial.run(single(**settings, untrained=flag)) for flag in (True, False))
    untrained = {name for name in whole.scores if "_untrained" in name}
    assert {"pck_untrained@0.1", "entropy_untrained", "nme_untrained"} <= untrained
    assert spared.scores.keys() == whole.scores.keys() - untrained
    assert all(repr(spared.scores[name]) == repr(whole.scores[name]) for name in spared.scores)
    assert {name for name in whole.points if name not in spared.points} == {
        "error_untrained", "error_untrained_regressed", "error_untrained_oracle"}
    assert spared.cost["unet_images"] < whole.cost["unet_images"]


def test_a_trial_without_the_untrained_tokens_leaves_them_unread(monkeypatch):
    monkeypatch.setattr(readings.Readings, "untrained", None)  # a call would fail
    result = trial.run(single(untrained=False))
    assert (result.exhibit.maps_untrained, result.exhibit.found_untrained_yx) == (None, None)
    assert result.exhibit.match_untrained == ()
