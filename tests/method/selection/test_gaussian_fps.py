import torch

from harness.ops.maps import gaussians
from harness.registry import build

SIGMA_PX = 1.5
PLACES = torch.tensor([[2, 2], [2, 17], [12, 2], [13, 18], [7, 9], [3, 3]])


def blobs(sigma_px=SIGMA_PX, places=PLACES):
    return gaussians((places + 0.5) / torch.tensor([15, 20]), 15, 20, sigma_px)


def choose(maps, spread=None, *, keypoints, **knobs):
    spread = maps if spread is None else spread
    found = build("selection", "gaussian_fps", knobs)(maps, spread, keypoints=keypoints, sigma_px=SIGMA_PX)
    return found.tolist()


def test_the_sum_prefers_blobs_to_smears():
    maps = blobs()
    maps[1], maps[4] = blobs(6.0)[1], blobs(6.0)[4]
    (((*chosen,),),) = choose(maps[None, None], keypoints=4, candidates=4, divergence="sum")
    assert sorted(chosen) == [0, 2, 3, 5]


def test_only_the_sum_ignores_a_maps_height():
    maps = blobs()
    maps[0] *= 0.05
    for divergence, last in (("softmax", [0]), ("sum", [4])):
        maps[4] = blobs(2.0)[4] if divergence == "sum" else blobs()[4]  # the one that is no perfect blob
        (((*chosen,),),) = choose(maps[None, None], keypoints=6, candidates=5, divergence=divergence)
        assert chosen[-1:] == last


def test_each_view_chooses_for_itself_and_keeps_apart_on_the_other_maps():
    spread = blobs(places=PLACES[[4, 5, 0, 1, 2, 3]])
    maps = torch.stack([blobs(), blobs()])[None]
    (first, second), = choose(maps, torch.stack([blobs(), spread])[None], keypoints=2, candidates=6)
    assert sorted(first) == [0, 3]  # opposite corners, (2, 2) and (13, 18)
    assert sorted(second) == [2, 5]  # the tokens whose copies lie there
