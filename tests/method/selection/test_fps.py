import itertools

import pytest
import torch

from harness.method.selection._fps import distances, furthest, spread_out
from harness.ops.tensors import generator


def line(*places):
    """Distances between points on a line."""
    points = torch.tensor(places)
    return (points[:, None] - points[None]).abs()


def plain_furthest(apart, count):
    """The same by definition: the first of equal ones wins because only a larger one replaces it."""
    size, best, chosen = len(apart), -1.0, []
    for i, j in itertools.combinations(range(size), 2):
        if apart[i, j] > best:
            best, chosen = float(apart[i, j]), [i, j]
    while len(chosen) < count:
        best, pick = -1.0, -1
        for i in sorted(set(range(size)) - set(chosen)):
            nearest = min(float(apart[i, j]) for j in chosen)
            if nearest > best:
                best, pick = nearest, i
        chosen.append(pick)
    return chosen


def test_distances_are_between_peaks_in_pixels_on_both_axes():
    maps = torch.zeros(2, 5, 9)
    maps[0, 1, 2] = maps[1, 4, 6] = 1
    assert distances(maps).tolist() == [[0, 5], [5, 0]]


def test_the_furthest_pair_then_the_gaps():
    assert furthest(line(1.0, 9.0, 4.0, 0.0, 10.0), 4).tolist() == [3, 4, 2, 0]


def test_the_first_of_equals_wins():
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert furthest(torch.cdist(corners, corners), 4).tolist() == [0, 3, 1, 2]


def test_one_point_is_the_first():
    assert furthest(line(3.0, 0.0, 9.0), 1).tolist() == [0]


@pytest.mark.parametrize("seed", range(5))
def test_batches_equal_the_definition(seed):
    points = torch.randint(0, 6, (3, 2, 12, 2), generator=generator("fps", seed)).float()  # a lattice: many ties
    apart = (points[..., :, None, :] - points[..., None, :, :]).square().sum(-1).sqrt()
    found = furthest(apart, 9)
    for b, v in itertools.product(range(3), range(2)):
        assert found[b, v].tolist() == plain_furthest(apart[b, v], 9)


def test_spread_out_returns_tokens_not_places_in_the_ranking():
    ranking = torch.tensor([4, 0, 2, 1, 3])
    apart = line(0.0, 50.0, 10.0, 60.0, 4.0)  # by token
    assert spread_out(ranking, apart, candidates=3, keypoints=2).tolist() == [0, 2]


def test_too_few_candidates_are_followed_by_the_next_best():
    ranking = torch.tensor([4, 0, 2, 1, 3])
    chosen = spread_out(ranking, line(0.0, 50.0, 10.0, 60.0, 4.0), candidates=3, keypoints=5)
    assert chosen.tolist() == [0, 2, 4, 1, 3]
