import torch

from harness.registry import build


def test_every_token_in_order():
    maps = torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    chosen = build("selection", "all")(maps, maps, keypoints=2, sigma_px=1.0)
    assert chosen.tolist() == [[[0, 1, 2, 3]] * 3] * 2


def test_what_is_kept_is_chosen_without_labels_as_without_it():
    maps = torch.rand(2, 3, 30, 5, 6, generator=torch.Generator().manual_seed(0))
    given = {"keypoints": 8, "sigma_px": 1.0}
    kept, plain = build("selection", "all").keeping, build("selection", "gaussian_fps")
    assert torch.equal(kept(maps, maps, **given), plain(maps, maps, **given))
