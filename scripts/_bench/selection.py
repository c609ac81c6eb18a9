"""Ranking, furthest points and the sharpening term, each beside StableKeypoints' own way, checked equal first."""

from typing import Any

import torch
from torch import Tensor

from _bench import _reference
from _bench._turns import Run, device, paired, turns
from harness.method.losses.base import LossInputs
from harness.method.losses.sharpening import Sharpening
from harness.method.selection._fps import distances, furthest
from harness.method.selection.gaussian_fps import GaussianFps
from harness.ops.maps import kl_to_peak
from harness.ops.tensors import generator

SIGMA, KEYPOINTS = 2.0, 10


def measure(tokens: int = 500, side: int = 128, candidates: tuple[int, ...] = (25, 250), rounds: int = 7
            ) -> dict[str, Any]:
    """Return the time of each part, ours and the reference's; raise RuntimeError if they differ."""
    maps = torch.rand(tokens, side, side, generator=generator("bench selection")).to(device()) / tokens
    pairs = {f"rank {tokens} tokens": _ranking(maps), f"sharpen {KEYPOINTS} maps": _sharpening(maps[:KEYPOINTS]),
             **{f"{KEYPOINTS} furthest of {count}": _furthest(maps[:count]) for count in candidates}}
    groups = {title: paired("reference", turns({"reference": theirs, "ours": ours}, rounds))
              for title, (ours, theirs) in pairs.items()}
    return {"groups": {f"{title}, maps of {side} x {side}": group for title, group in groups.items()}}


def _ranking(maps: Tensor) -> tuple[Run, Run]:
    selection, ranked = GaussianFps(), maps[None, None]
    # Ranks of nearly equal tokens depend on rounding, so their divergences are compared.
    torch.testing.assert_close(kl_to_peak(maps, SIGMA, "softmax"), _reference.divergence(maps, SIGMA), rtol=1e-5,
                               atol=1e-5)
    return (lambda: selection.ranking(ranked, SIGMA)), lambda: _reference.ranking(maps, SIGMA, len(maps))


def _furthest(maps: Tensor) -> tuple[Run, Run]:
    every = torch.arange(len(maps), device=maps.device)
    count = min(KEYPOINTS, len(maps))
    _demand("the furthest points", furthest(distances(maps), count), _reference.furthest(maps, every, count))
    return (lambda: furthest(distances(maps), count)), lambda: _reference.furthest(maps, every, count)


def _sharpening(maps: Tensor) -> tuple[Run, Run]:
    views = maps[None, None]
    inputs = LossInputs(views, views, views, None, None, torch.zeros(1, 1), None, None, SIGMA)
    loss = Sharpening()
    torch.testing.assert_close(loss(inputs), _reference.sharpening(maps, SIGMA))
    return (lambda: loss(inputs)), lambda: _reference.sharpening(maps, SIGMA)


def _demand(what: str, ours: Tensor, theirs: Tensor) -> None:
    if not torch.equal(ours, theirs):
        raise RuntimeError(f"{what} is not the reference's: {ours.tolist()[:10]}, not {theirs.tolist()[:10]}")
