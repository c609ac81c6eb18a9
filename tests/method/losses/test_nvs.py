import pytest
import torch

from harness.errors import UsageError
from harness.registry import build
from tests.method.losses.loss_inputs import loss_inputs, maps_at, true_points


def test_it_is_the_view_passes_error():
    error = torch.tensor(0.25, requires_grad=True)
    loss = build("losses", "nvs")(loss_inputs(maps_at(true_points()), view_error=error))
    loss.backward()
    assert loss.item() == 0.25
    assert error.grad == 1


def test_a_trial_without_a_view_pass_is_told_so():
    with pytest.raises(UsageError, match="nvs: the trial has no view pass"):
        build("losses", "nvs")(loss_inputs(maps_at(true_points())))
