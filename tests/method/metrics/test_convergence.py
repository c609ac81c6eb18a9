import math

import pytest
import torch

from harness.method.metrics.base import Observations
from harness.method.metrics.convergence import Convergence, area_under, at_final_weights, smoothed, steps_to
from harness.report.verify import from_files


def observed(**curve):
    columns = {name: torch.tensor(values) for name, values in curve.items()}
    return Observations(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1) > 0, torch.ones(1, 1), (8, 8), {}, curve=columns)


def test_moving_average_shortens_at_the_ends():
    found = smoothed(torch.tensor([0.0, 3.0, 6.0, 0.0]), 3)
    assert found.tolist() == pytest.approx([1.5, 3.0, 3.0, 3.0])


def test_steps_to_90_percent_of_the_drop():
    curve = torch.tensor([10.0, 6.0, 2.0, 1.0, 0.0, 0.5])
    assert steps_to(curve, 0.9) == 3  # 1.0 is exactly 90% down from 10 to 0
    assert steps_to(curve, 0.5) == 2


def test_area_under_the_curve():
    assert area_under(torch.tensor([1.0, 0.5, 0.0])) == pytest.approx(0.5)
    assert area_under(torch.tensor([4.0, 2.0, 2.0])) == pytest.approx(0.25)  # heights 1, 0, 0


def test_scores_of_a_falling_curve():
    scores = Convergence(smoothing=1)(observed(loss=[4.0, 3.0, 2.0], sharpening=[0.4, 0.3, 0.2]))
    assert scores == pytest.approx(
        {"loss_final": 2, "sharpening_final": 0.2, "diverged": 0, "steps_to_90": 2, "area_under_curve": 0.5}
    )


def test_rising_curve_diverged_and_has_no_drop():
    scores = Convergence(smoothing=1)(observed(loss=[1.0, 1.5, 2.0]))
    assert scores == {"loss_final": 2.0, "diverged": 1.0}


def test_fall_then_rise_above_the_start_diverged():
    scores = Convergence(smoothing=1)(observed(loss=[1.0, 0.5, 2.0]))
    assert scores["diverged"] == 1
    assert scores["steps_to_90"] == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_diverged(bad):
    assert Convergence()(observed(loss=[1.0, 0.5], sharpening=[1.0, bad])) == {"diverged": 1.0}


def test_growing_weights_are_no_divergence():
    curve = {"loss": [0.0, 2.0, 3.0], "nvs": [4.0, 4.0, 3.0], "nvs_weighted": [0.0, 2.0, 3.0]}
    scores = Convergence(smoothing=1)(observed(**curve))
    assert scores["diverged"] == 0
    assert scores["steps_to_90"] == 2
    assert scores["loss_final"] == 3


def test_total_at_final_weights():
    curve = {"loss": [1.0, 9.0], "a": [1.0, 2.0], "a_weighted": [1.0, 8.0], "b": [3.0, 1.0], "b_weighted": [0.0, 1.0]}
    found = at_final_weights({name: torch.tensor(values) for name, values in curve.items()})
    assert found.tolist() == [7.0, 9.0]  # weights 4 and 1


def test_a_term_that_ends_at_0_does_not_bring_growing_weights_back():
    curve = {"loss": [0.0, 2.0, 3.0], "nvs": [4.0, 4.0, 3.0], "nvs_weighted": [0.0, 2.0, 3.0]}
    never = {"pixel": [0.0, 0.0, 0.0], "pixel_weighted": [0.0, 0.0, 0.0]}
    once = {"ray": [1.0, 2.0, 0.0], "ray_weighted": [0.0, 4.0, 0.0]}  # last told at weight 2
    given = {name: torch.tensor(values) for name, values in {**curve, **never, **once}.items()}
    assert at_final_weights(given).tolist() == [6.0, 8.0, 3.0]
    columns = {name: values.numpy() for name, values in given.items()}
    assert from_files.loss_at_last_weights(columns).tolist() == [6, 8, 3]
    assert Convergence(smoothing=1)(observed(**curve, **never))["diverged"] == 0


def test_no_curve_gives_nothing():
    assert Convergence()(observed()) == {}
