import math

import pytest
import torch

from harness.method.metrics.base import Observations
from harness.method.metrics.official import Official

SWAP = (1, 0)


def seen(predicted, truth, visible=None, **rules):
    predicted, truth = (torch.tensor(points, dtype=torch.float64)[:, None] for points in (predicted, truth))
    visible = torch.ones(truth.shape[:3], dtype=torch.bool) if visible is None else torch.tensor(visible)[:, None]
    return Observations(truth, visible, torch.full(truth.shape[:2], 50.0, dtype=torch.float64), (100, 100),
                        {"regressed": predicted, "": predicted}, **rules)


def test_nothing_without_a_rule():
    assert Official()(seen([[[0.0, 0.0]]], [[[0.0, 0.0]]])) == {}


def test_inter_eye_leaves_out_images_that_lack_a_point():
    truth = [[[0.5, 0.4], [0.5, 0.6]], [[0.5, 0.5], [0.5, 0.5]]]
    moved = [[[0.5, 0.4], [0.5, 0.7]], [[0.0, 0.0], [0.0, 0.0]]]
    scores = Official()(seen(moved, truth, [[True, True], [True, False]], official="inter_eye"))
    assert scores == {"inter_eye": pytest.approx(0.05 / 0.2)}


def test_visible_points_are_averaged_by_image_and_pooled():
    truth = [[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]
    moved = [[[0.5, 0.6], [0.5, 0.8]], [[0.5, 0.7], [0.0, 0.0]]]
    scores = Official()(seen(moved, truth, [[True, True], [True, False]], official="visible"))
    assert scores["visible_l2"] == pytest.approx((0.2 + 0.2) / 2)
    assert scores["visible_l2_pooled"] == pytest.approx((0.1 + 0.3 + 0.2) / 3)


def test_tai_chi_sums_distances_and_coordinates():
    truth = [[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]
    moved = [[[0.53, 0.54], [0.5, 0.6]], [[0.5, 0.5], [0.0, 0.0]]]
    scores = Official()(seen(moved, truth, [[True, True], [True, False]], official="summed"))
    assert scores["summed_px"] == pytest.approx(256 * (0.05 + 0.1) / 2)
    assert scores["summed_px_by_coordinate"] == pytest.approx(256 * ((0.03 + 0.04) / 2 + 0.1))


def test_six_pixels_of_256_are_a_miss():
    truth = [[[0.5, 0.5], [0.5, 0.5]]]
    scores = Official()(seen([[[0.5, 0.5 + 6 / 256], [0.5, 0.5 + 5.9 / 256]]], truth, official="below_6px"))
    assert scores == {"within_6px": 0.5}


def test_left_and_right_may_be_exchanged():
    truth = [[[0.2, 0.2], [0.8, 0.8]]]
    scores = Official()(seen([[[0.8, 0.8], [0.2, 0.3]]], truth, official="mirrored", mirror=SWAP))
    assert scores["mirrored_px"] == pytest.approx(128 * 0.05)
    straight = math.hypot(0.6, 0.6), math.hypot(0.6, 0.5)  # too few images for AutoLink to exchange any
    assert scores["mirrored_px_exchanged"] == pytest.approx(128 * sum(straight) / 2)


def test_pck_by_image_weighs_images_alike():
    truth = [[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]
    moved = [[[0.5, 0.5], [0.5, 0.9]], [[0.5, 0.57], [0.0, 0.0]]]  # 7 px: within 0.15 of 50 px, not within 0.1
    scores = Official()(seen(moved, truth, [[True, True], [True, False]], by_image=True))
    assert scores["image_pck@0.1"] == pytest.approx((0.5 + 0) / 2)
    assert scores["image_pck@0.15"] == pytest.approx((0.5 + 1) / 2)
    assert scores["point_pck@0.15"] == pytest.approx(2 / 3)
    assert scores["image_pck_regressed@0.1"] == scores["image_pck@0.1"]


def test_no_visible_point_no_score():
    assert Official()(seen([[[0.0, 0.0]]], [[[0.0, 0.0]]], [[False]], official="visible", by_image=True)) == {}
