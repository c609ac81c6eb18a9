"""Where tokens look: points, selection without labels, and how points are tied to annotated keypoints."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.method.encode import Split
from harness.method.metrics.attention import statistics
from harness.method.passes import Diverged, Passes, on_canvas
from harness.method.selection.base import Selection
from harness.models.attention.capture import Captured, native_maps
from harness.ops.maps import peaks
from harness.ops.matching import most_frequent
from harness.ops.tensors import Maps
from harness.ops.warps import unwarped_mean

IMAGES_AT_ONCE = 48


@dataclass(frozen=True)
class Located:
    """Every token's point in every view of M scenes, and statistics of the kept tokens' maps (M V J)."""

    points_yx: Float[Tensor, "M V N 2"]
    statistics: dict[str, Tensor]
    maps: Float[Tensor, "E V J H W"]


@torch.no_grad()
def choose(passes: Passes, split: Split, tokens: Tensor, selection: Selection) -> Int[Tensor, " J"]:
    """Return the tokens that selection picks most often over the optimise split; no label is used."""
    spec = passes.spec
    level = on_canvas if spec.loss_level == "grid" else lambda maps: maps
    picks = []
    for rows in _batches(split, passes):
        arranged = spread = level(passes.maps(split.latents[rows], tokens, split.condition[rows]))
        if split.warped is not None:
            spread = level(passes.maps(split.warped[rows, 0], tokens, split.condition[rows]))
        picked = selection.keeping(arranged, spread, keypoints=spec.keypoints, sigma_px=spec.sigma_px)
        picks.append(picked.flatten(0, 1))
    return most_frequent(torch.cat(picks), spec.tokens, len(picks[0][0]))


@torch.no_grad()
def locate(passes: Passes, split: Split, tokens: Tensor, kept: Int[Tensor, " J"], examples: int = 0) -> Located:
    """Return every token's point, the kept tokens' map statistics, and their maps in the first ``examples`` scenes."""
    views, points, numbers, shown = split.latents.shape[1], [], [], []
    for rows in _batches(split, passes):
        clean = split.latents[rows]
        noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
        capturing = passes.keypoint(noisy, tokens, split.condition[rows])
        maps = passes.read(capturing, views, len(tokens))
        if split.warped is not None and passes.spec.localise_copies:
            maps = _over_copies(passes, split, rows, tokens)
        if not bool(maps.isfinite().all()):
            raise Diverged("the tokens' maps are not finite")
        points.append(peaks(maps).cpu())
        per_layer = _per_resolution(capturing.captured, maps, kept, passes)
        numbers.append(statistics(maps[:, :, kept]) | per_layer)
        if rows.start < examples:
            shown.append(maps[: examples - rows.start, :, kept].float().cpu())
    joined = {name: torch.cat([part[name].cpu() for part in numbers]) for name in numbers[0]}
    empty = torch.empty(0, views, len(kept), 1, 1)
    return Located(torch.cat(points).double(), joined, torch.cat(shown) if shown else empty)


def _over_copies(passes: Passes, split: Split, rows: slice, tokens: Float[Tensor, "N D"]) -> Maps:
    """Return the mean of the views' warped copies' maps, brought back to the views."""
    assert split.warped is not None
    assert split.theta is not None
    warped, theta = split.warped[rows], split.theta[rows]
    return unwarped_mean((passes.maps(warped[:, copy], tokens, split.condition[rows]), theta[:, copy])
                         for copy in range(passes.spec.localise_copies))


def _per_resolution(captured: list[Captured], maps: Maps, kept: Tensor, passes: Passes) -> dict[str, Tensor]:
    """Return the entropy of kept tokens' maps at each captured resolution, ``entropy_<rows>x<columns>`` of a view."""
    scenes, views, tokens = maps.shape[:3]
    shared = views if passes.spec.view_pass == "canvas" else 1
    grouped: dict[str, list[Tensor]] = {}
    for layer in captured:
        own = native_maps(layer, tokens=tokens, views=shared).reshape(scenes, views, tokens, -1)
        entropy = statistics(own[:, :, kept, None])["entropy"]
        rows, columns = layer.size[0] // (3 if shared > 1 else 1), layer.size[1] // (2 if shared > 1 else 1)
        grouped.setdefault(f"entropy_{rows}x{columns}", []).append(entropy)
    return {name: torch.stack(parts).mean(0) for name, parts in grouped.items()}


def _batches(split: Split, passes: Passes) -> Iterator[slice]:
    """Yield scenes in batches whose maps fit in about 256 MB, and of at most a micro-batch where there is one."""
    elements = passes.spec.tokens * passes.spec.map_side**2
    size = max(1, min(IMAGES_AT_ONCE, 2**26 // elements) // split.latents.shape[1])
    size = min(size, passes.options.micro_batch or size)
    for start in range(0, len(split), size):
        yield slice(start, start + size)
