"""What every selection keeps to, whichever file it is in."""

import pytest
import torch

from harness.ops.tensors import generator
from harness.registry import build, variants

NAMES = [variant.name for variant in variants("selection")]


def maps(tokens=30, views=6, seed=0):
    return torch.rand(2, views, tokens, 12, 10, generator=generator("selection", seed)) ** 8


def choose(name, given, spread, keypoints):
    return build("selection", name)(given, spread, keypoints=keypoints, sigma_px=1.5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("tokens", "views", "keypoints"), [(30, 6, 8), (30, 6, 28), (30, 1, 1), (5, 6, 8), (1, 6, 4)])
def test_indices_are_of_tokens_and_different_in_each_view(name, tokens, views, keypoints):
    chosen = choose(name, maps(tokens, views), maps(tokens, views, seed=1), keypoints)
    count = tokens if name == "all" else min(tokens, keypoints)
    assert chosen.shape == (2, views, count)
    assert chosen.dtype == torch.long
    assert chosen.min() >= 0
    assert chosen.max() < tokens
    assert all(len(set(view.tolist())) == count for scene in chosen for view in scene)


@pytest.mark.parametrize("name", NAMES)
def test_a_selection_is_deterministic_and_leaves_the_maps_alone(name):
    given, spread = maps(), maps(seed=1)
    before = given.clone(), spread.clone()
    assert torch.equal(choose(name, given, spread, 8), choose(name, given, spread, 8))
    assert torch.equal(given, before[0])
    assert torch.equal(spread, before[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_alike_maps_still_give_different_tokens(name, fill):
    given = torch.full((1, 2, 9, 6, 5), fill)
    chosen = choose(name, given, given, 4)
    assert all(len(set(view.tolist())) == chosen.shape[-1] for view in chosen[0])


@pytest.mark.parametrize("name", NAMES)
def test_scenes_do_not_depend_on_each_other(name):
    given, spread = maps(), maps(seed=1)
    together = choose(name, given, spread, 8)
    assert torch.equal(together[1:], choose(name, given[1:], spread[1:], 8))
