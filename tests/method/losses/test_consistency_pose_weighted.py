import math

import pytest
import torch

from harness.errors import UsageError
from harness.ops.geometry import orbit
from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs, maps_at, true_points


def test_value_by_hand():
    # cameras on the horizon at 0, 30 and 120 degrees: pairs 30, 120 and 90 degrees apart
    heights = torch.tensor([0.0, 1.0, 3.0])
    maps = heights.reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 4, 5).clone()
    cameras = (orbit([0.0, 30.0, 120.0], [0.0] * 3),)
    loss = build("losses", "consistency_pose_weighted", {"tau": 45.0})(loss_inputs(maps, cameras=cameras))
    pairs = {30: 1.0, 120: 9.0, 90: 4.0}
    weights = {angle: math.exp(-angle / 45) for angle in pairs}
    expected = sum(weights[angle] * squared for angle, squared in pairs.items()) / sum(weights.values())
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_near_views_weigh_more_than_far_ones():
    maps = torch.zeros(1, 3, 1, 4, 4)
    cameras = (orbit([0.0, 20.0, 200.0], [0.0] * 3),)
    term = build("losses", "consistency_pose_weighted")
    near, far = maps.clone(), maps.clone()
    near[:, 0] = far[:, 2] = 1
    assert term(loss_inputs(near, cameras=cameras)) > 1.5 * term(loss_inputs(far, cameras=cameras))


def test_a_small_tau_leaves_the_nearest_pair_and_stays_finite():
    maps = torch.zeros(1, 3, 1, 4, 4)
    maps[:, 1] = 2
    term = build("losses", "consistency_pose_weighted", {"tau": 0.1})
    assert term(loss_inputs(maps, cameras=(orbit([0.0, 60.0, 180.0], [0.0] * 3),))).item() == pytest.approx(4.0)


def test_data_without_cameras_is_told_so():
    with pytest.raises(UsageError, match="consistency_pose_weighted: the data has no cameras"):
        build("losses", "consistency_pose_weighted")(loss_inputs(maps_at(true_points()), cameras=None))
