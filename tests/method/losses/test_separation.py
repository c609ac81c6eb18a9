import math

import pytest
import torch

from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs


def lit(*rows_columns):
    """One view's maps, 10 x 20, each with one lit pixel."""
    maps = torch.zeros(1, 1, len(rows_columns), 10, 20)
    for k, (row, column) in enumerate(rows_columns):
        maps[0, 0, k, row, column] = 1
    return maps


def test_value_by_hand():
    # in sides: (0, 0) to (2, 0) is 0.2 rows, (0, 0) to (0, 2) is 0.1 columns, (2, 0) to (0, 2) is sqrt(0.05)
    loss = build("losses", "separation", {"distance": 0.1})(loss_inputs(lit((0, 0), (2, 0), (0, 2))))
    expected = (math.exp(-2) + math.exp(-0.5) + math.exp(-2.5)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_push_drives_two_near_tokens_apart():
    maps = lit((5, 9), (5, 10)).requires_grad_()
    build("losses", "separation")(loss_inputs(maps)).backward()
    left, right = maps.grad[0, 0]
    assert left[5, 8] < 0 < left[5, 10]  # descent adds mass on the far side and takes it on the near side
    assert right[5, 9] > 0 > right[5, 11]


def test_one_token_has_nothing_to_keep_from():
    maps = lit((5, 9)).requires_grad_()
    loss = build("losses", "separation")(loss_inputs(maps))
    loss.backward()
    assert loss == 0
    assert maps.grad.abs().sum() == 0
