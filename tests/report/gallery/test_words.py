"""Descriptions follow from numbers, word by word."""

import numpy as np
import pytest
import torch

from harness.method.localise import Located
from harness.method.metrics.attention import statistics
from harness.method.tracks import Evolution, Level, Track
from harness.models.attention.capture import Residual
from harness.ops.maps import gaussians, peaks
from harness.report.evolution.agreement import agreement
from harness.report.evolution.numbers import numbers
from harness.report.gallery import words
from tests.report import stores

VIEWS, SIDE = 2, 64


def evolution(places, sigma_px):
    """Return one token's evolution whose maps are Gaussians of one width at places (M V 2), where its keypoint is."""
    points = torch.tensor(places, dtype=torch.float32)  # (M V 2)
    maps = gaussians(points[:, :, None], SIDE, SIDE, sigma_px)  # (M V 1 H W)
    blank = torch.zeros(VIEWS, 3, 8, 8)
    level = [Level(t, noise, t == 50, Residual(1e-7), blank, blank, flat)
             for t, noise, flat in ((999, 1.0, torch.rand(VIEWS, 1, SIDE, SIDE)), (50, 0.05, maps[0]))]
    located = Located(peaks(maps).double(), statistics(maps), maps)
    return Evolution(0, "set/0", (0,), ("head", "tail"), (Track("localising pass", "", tuple(level)),), located,
                     torch.stack([points, 1 - points], 2), torch.ones(*points.shape[:2], 2, dtype=torch.bool),
                     torch.full(points.shape[:2], 32.0), (SIDE, SIDE))


def test_of_a_single_view_no_share_of_views_is_told():
    assert words._where("upper left", 1.0, 1, 0.0) == "Its point is in the upper left of the view."


def described(places, sigma_px):
    found = evolution(places, sigma_px)
    own = found.located.points_yx.numpy()  # the keypoint's recorded points are the token's
    scene, view = np.indices(own.shape[:2]).reshape(2, -1)
    columns = {"scene": scene.tolist(), "view": view.tolist(), "keypoint": [0] * len(scene),
               "found_y": own[..., 0].ravel().tolist(), "found_x": own[..., 1].ravel().tolist()}
    checked = agreement(found, columns, {})
    assert checked.equal == checked.points == len(scene)
    ((head, sentences),) = words.from_evolution(numbers(found, checked, "a1"))
    return head, " ".join(sentences)


def test_a_blob_on_a_keypoint_is_small_round_steady_and_covers_it():
    head, text = described([[[0.2, 0.21], [0.22, 0.2]]] * 2, 2.0)
    assert head == "Token 0, tied to head"
    assert "in the upper left of the view (100% of 4 views)" in text
    assert "on average 0.02 of a side from its mean place" in text
    assert "Its map is a point (effective area 2%) and round (axes 1.0 : 1)" in text  # 2 pi e sigma^2 px
    assert "equally sharp in every view" in text
    assert "It covers head:" in text
    assert "its point is within 0.2 of it in 100% of 4 views" in text
    assert "at 100% noise correlates by" in text


def test_a_flat_map_covers_no_part_and_takes_nearly_the_whole_view():
    _, text = described([[[0.2, 0.2], [0.8, 0.8]]], 400.0)
    assert "is spread over nearly the whole view (effective area 100%)" in text
    assert "It covers no annotated part: the nearest to one is" in text


@pytest.mark.parametrize(("value", "word"), [(0.019, "a point"), (0.02, "a small patch"), (0.1, "a region"),
                                             (0.35, "spread over much of the view"),
                                             (0.7, "spread over nearly the whole view"),
                                             (1.0, "spread over nearly the whole view")])
def test_limits_of_sizes(value, word):
    assert words._word(value, words.SIZES) == word


def test_points_alone_describe_each_keypoints_token():
    errors = np.array([[[1.0, 9.0], [3.0, np.inf]]])  # (scenes views keypoints), normaliser 10
    columns = stores.points(errors, found_y=[0.1, 0.5, 0.1, np.nan], found_x=[0.9, 0.5, 0.9, np.nan])
    text = dict(words.from_points({name: np.asarray(column) for name, column in columns.items()}, ("beak", "tail")))
    assert "in the upper right of the view (100% of 2 views)" in text["beak"][0]
    assert text["beak"][1] == ("It lies within 0.2 normalisers of the keypoint in 50% of 2 views that show it, from 0% "
                               "to 100% by view; median distance 0.20.")
    assert text["tail"] == ["No token is tied to it."]
