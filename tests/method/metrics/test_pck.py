import math

import pytest
import torch

from harness.method.metrics import _errors
from harness.method.metrics.base import Observations
from harness.method.metrics.pck import Pck

NAN = math.nan


def observed(errors_of, visible, normaliser=20.0):
    """One scene, one view, three keypoints in a 100 x 100 image; errors in pixels along a row."""
    truth = torch.full((1, 1, 3, 2), 0.5, dtype=torch.float64)
    offset = {name: torch.tensor(e, dtype=torch.float64) / 100 for name, e in errors_of.items()}
    predictions = {name: truth + torch.stack([torch.zeros(3), e], -1) for name, e in offset.items()}
    return Observations(
        truth, torch.tensor([[visible]]), torch.full((1, 1), normaliser, dtype=torch.float64), (100, 100), predictions
    )


def test_errors_weigh_rows_and_columns_by_the_image_size():
    errors = _errors.errors_px(torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.1]), (10, 100))
    assert errors.item() == pytest.approx(math.hypot(3, 40))


def test_limit_is_included_and_nan_is_a_miss():
    hit = _errors.hits(torch.tensor([2.0, 2.0001, NAN]), torch.tensor(20.0), 0.1)
    assert hit.tolist() == [True, False, False]


def test_pck_counts_visible_points_only():
    scores = Pck()(observed({"": [1.5, 3.0, 0.0], "mean_pose": [30.0, 0.5, 0.0]}, [True, True, False]))
    assert scores["pck@0.05"] == 0
    assert scores["pck@0.1"] == 0.5
    assert scores["pck@0.2"] == 1
    assert scores["pck_mean_pose@0.1"] == 0.5
    assert scores["nme_mean_pose"] == pytest.approx((30 + 0.5) / 2 / 20)
    assert "nme" not in scores


def test_unmatched_keypoint_is_a_miss_and_has_no_mean_error():
    scores = Pck()(observed({"": [0.0, NAN, 0.0], "regressed": [0.0, NAN, 0.0]}, [True, True, True]))
    assert scores["pck@0.2"] == pytest.approx(2 / 3)
    assert scores["pck_regressed@0.2"] == pytest.approx(2 / 3)
    assert "nme" not in scores


def test_every_protocol_is_named():
    given = {name: [0.8, 0.8, 0.8] for name in ("", "regressed", "oracle", "untrained", "untrained_regressed")}
    scores = Pck()(observed(given, [True, True, True]))
    assert scores["pck_untrained_regressed@0.05"] == 1
    assert scores["nme"] == scores["nme_untrained"] == pytest.approx(0.04)
    assert scores["visible_points"] == 3
    assert len(scores) == 3 * 5 + 2 + 1


def test_nothing_visible_gives_nothing():
    assert Pck()(observed({"": [1.0, 1.0, 1.0]}, [False, False, False])) == {}
