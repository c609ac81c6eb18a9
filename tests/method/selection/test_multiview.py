import torch

from harness.ops.maps import gaussians
from harness.registry import build

SIGMA_PX = 1.5
SIZE = torch.tensor([16, 16])


def view(places, sigmas):
    pairs = zip(places, sigmas, strict=True)
    return torch.stack([gaussians((torch.tensor(place) + 0.5) / SIZE, 16, 16, sigma) for place, sigma in pairs])


def choose(maps, keypoints, candidates):
    return build("selection", "multiview", {"candidates": candidates, "divergence": "sum"})(
        maps, maps, keypoints=keypoints, sigma_px=SIGMA_PX
    )


def test_the_worst_view_decides():
    # token 0 is a perfect blob in the first view and a smear in the second, token 1 is fair in both
    places = [(4, 4), (4, 12), (12, 8)]
    maps = torch.stack([view(places, [1.5, 2.0, 1.6]), view(places, [5.0, 2.0, 1.6])])
    assert choose(maps[None], 1, 2).tolist() == [[[2], [2]]]
    assert sorted(choose(maps[None], 2, 2)[0, 0].tolist()) == [1, 2]


def test_distances_are_averaged_over_the_views():
    # apart in the first and second view: 0-1: 12 and 0; 0-2: 5 and 6; 1-2: 7 and 6, which is the most on average
    maps = torch.stack([view([(2, 2), (2, 14), (2, 7)], [1.5] * 3), view([(8, 8), (8, 8), (8, 14)], [1.5] * 3)])
    assert sorted(choose(maps[None], 2, 3)[0, 0].tolist()) == [1, 2]
    assert sorted(choose(maps[None, :1], 2, 3)[0, 0].tolist()) == [0, 1]


def test_all_views_get_the_same_tokens():
    maps = torch.rand(2, 3, 12, 9, 7, generator=torch.Generator().manual_seed(0))
    chosen = choose(maps, 5, 8)
    assert torch.equal(chosen, chosen[:, :1].expand(-1, 3, -1))
