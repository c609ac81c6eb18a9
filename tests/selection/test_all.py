import torch

from harness.plugins import build


def test_every_token_in_order():
    maps = torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    chosen = build("selection", "all")(maps, maps, keypoints=2, sigma_px=1.0)
    assert chosen.tolist() == [[[0, 1, 2, 3]] * 3] * 2
