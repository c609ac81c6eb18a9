import math

import pytest
import torch

from harness.method.metrics.base import HeldOut
from harness.method.metrics.fit import per_scene, pooled

NAN = math.nan


def held_out(visible=((True, True), (True, False), (False, False))):
    """Three scenes, one view, two keypoints, normaliser 10 px: errors at and beside the limits."""
    errors = torch.tensor([[[0.5, 1.0]], [[2.0, 0.0]], [[0.0, NAN]]], dtype=torch.float64)
    return HeldOut(errors, torch.tensor(visible)[:, None], torch.full((3, 1), 10.0, dtype=torch.float64))


def test_scores_pool_the_visible_points_of_all_scenes():
    assert pooled(held_out()) == {
        "pck_fit@0.05": pytest.approx(1 / 3), "pck_fit@0.1": pytest.approx(2 / 3), "pck_fit@0.2": 1.0,
    }


def test_a_keypoint_without_a_token_is_a_miss():
    assert pooled(held_out(((False, False), (False, False), (True, True))))["pck_fit@0.2"] == 0.5


def test_every_scene_has_a_row():
    rows = per_scene(held_out())
    assert rows["scene"] == [0, 1, 2]
    assert rows["visible_points"] == [2, 1, 0]
    assert rows["pck_fit@0.05"][:2] == [0.5, 0.0]
    assert rows["pck_fit@0.1"][:2] == [1.0, 0.0]
    assert rows["pck_fit@0.2"][:2] == [1.0, 1.0]
    assert math.isnan(rows["pck_fit@0.1"][2])


def test_the_rows_add_up_to_the_score():
    fit = held_out()
    rows, scores = per_scene(fit), pooled(fit)
    for name, score in scores.items():
        hits = [share * count for share, count in zip(rows[name], rows["visible_points"], strict=True) if count]
        assert sum(hits) / sum(rows["visible_points"]) == pytest.approx(score, abs=1e-12)


def test_nothing_held_out_or_nothing_visible_gives_no_score():
    assert pooled(None) == per_scene(None) == {}
    assert pooled(held_out(((False, False),) * 3)) == {}
