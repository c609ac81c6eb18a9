"""The localisation of tokens, without labels: the choice of the kept tokens, and every token's points and maps."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.method.encode import Split
from harness.method.metrics.attention import entropy, statistics
from harness.method.passes import Diverged, Passes, on_canvas
from harness.method.selection.base import Selection
from harness.models.attention.canvas import split as split_canvas
from harness.models.attention.capture import Captured, CapturePass
from harness.models.attention.groups import group_maps
from harness.models.attention.token_maps import native_maps
from harness.ops.maps import peaks
from harness.ops.matching import most_frequent
from harness.ops.tensors import Maps
from harness.ops.warps import unwarped_mean

IMAGES_AT_ONCE = 48
MAP_ELEMENTS = 2**26  # of one batch's maps: 256 MB in float32
# On a GPU a batch may take this share of the free memory. An image takes its maps several times over (a layer's, their
# sum, sums over copies), and values of the UNet per latent position and channel of its widest blocks.
GPU_SHARE, MAPS_AT_ONCE, VALUES_AT_ONCE = 0.5, 5, 24


@dataclass(frozen=True)
class Located:
    """Every token's point in every view of M scenes, statistics (M V J) of the kept tokens' maps, and example maps."""

    points_yx: Float[Tensor, "M V N 2"]
    statistics: dict[str, Tensor]
    maps: Float[Tensor, "E V J H W"]


@torch.no_grad()
def choose(passes: Passes, split: Split, tokens: Tensor, selection: Selection) -> Int[Tensor, " J"]:
    """Return the tokens that selection picks most often over the optimise split; no label is used.

    Source: StableKeypoints, find_best_indices.
    """
    spec = passes.spec
    level = on_canvas if spec.loss_level == "grid" else lambda maps: maps
    picks = []
    for rows in _batches(split, passes):
        # Rank on the views' maps and measure distances on them too; only a step has warped copies for that.
        maps = level(passes.maps(split.latents[rows], tokens, split.condition[rows]))  # (B U N Y X)
        picked = selection.keeping(maps, maps, keypoints=spec.keypoints, sigma_px=spec.sigma_px)
        picks.append(picked.flatten(0, 1))  # (B U K) -> (B*U K)
    return most_frequent(torch.cat(picks), spec.tokens, len(picks[0][0]))


@torch.no_grad()
def locate(passes: Passes, split: Split, tokens: Tensor, kept: Int[Tensor, " J"], examples: int = 0, *,
           measure: bool = True) -> Located:
    """Return every token's point, the kept tokens' map statistics, and their maps in the first ``examples`` scenes.

    Without ``measure`` there are no statistics; scenes with warped copies then need no pass of their own.
    """
    views, points, parts, example_maps = split.latents.shape[1], [], [], []
    canvas = passes.spec.view_pass == "canvas"
    for rows in _batches(split, passes):
        if measure:
            captured, maps = captured_maps(passes, split, rows, tokens)  # (B V N H W)
        else:
            maps = _maps_alone(passes, split, rows, tokens)
        if not bool(maps.isfinite().all()):
            raise Diverged("the tokens' maps are not finite")
        # Points, statistics and example maps.
        points.append(peaks(maps).cpu())  # (B V N 2)
        if measure:
            per_resolution = _entropy_per_resolution(captured.captured, maps, kept, passes)
            groups = _group_statistics(captured, views, canvas=canvas)
            parts.append(statistics(maps[:, :, kept]) | per_resolution | groups)
        if rows.start < examples:
            example_maps.append(maps[: examples - rows.start, :, kept].float().cpu())  # (b V J H W)
    names = parts[0] if parts else {}
    joined = {name: torch.cat([part[name].cpu() for part in parts]) for name in names}  # (B V J) -> (M V J)
    empty = torch.empty(0, views, len(kept), 1, 1)
    return Located(torch.cat(points).double(), joined, torch.cat(example_maps) if example_maps else empty)


@torch.no_grad()
def captured_maps(passes: Passes, split: Split, rows: slice, tokens: Float[Tensor, "N D"], *, check: bool = False
                  ) -> tuple[CapturePass, Maps]:
    """Return the keypoint pass of some scenes, and every token's map in it or the mean over their warped copies."""
    clean = split.latents[rows]  # (B V c h w)
    noisy = passes.model.noised(clean, passes.fixed_noise(clean), passes.spec.timestep)
    captured = passes.keypoint(noisy, tokens, split.condition[rows], check=check)
    if _on_copies(passes, split, rows):
        return captured, _over_copies(passes, split, rows, tokens)
    return captured, passes.token_maps(captured, clean.shape[1], len(tokens))


def _maps_alone(passes: Passes, split: Split, rows: slice, tokens: Float[Tensor, "N D"]) -> Maps:
    """Return the maps of `captured_maps`."""
    if _on_copies(passes, split, rows):
        return _over_copies(passes, split, rows, tokens)
    return passes.maps(split.latents[rows], tokens, split.condition[rows])


def _on_copies(passes: Passes, split: Split, rows: slice) -> bool:
    """Return True if scenes are localised on their warped copies."""
    return split.warped is not None and passes.spec.localise_copies > 0 and rows.start < len(split.warped)


def _over_copies(passes: Passes, split: Split, rows: slice, tokens: Float[Tensor, "N D"]) -> Maps:
    """Return the mean of the maps of the views' warped copies, unwarped to the views."""
    assert split.warped is not None
    assert split.theta is not None
    warped, theta = split.warped[rows], split.theta[rows]  # (B copies V c h w), (B copies V 2 3)
    return unwarped_mean((passes.maps(warped[:, copy], tokens, split.condition[rows]), theta[:, copy])
                         for copy in range(passes.spec.localise_copies))


def _entropy_per_resolution(captured: list[Captured], maps: Maps, kept: Tensor, passes: Passes) -> dict[str, Tensor]:
    """Return the entropy of kept tokens' maps at each captured resolution, ``entropy_<rows>x<columns>`` of a view."""
    scenes, views, tokens = maps.shape[:3]
    shared = views if passes.spec.view_pass == "canvas" else 1
    layers_by_size: dict[str, list[Tensor]] = {}
    for layer in captured:
        native = native_maps(layer, tokens=tokens, views=shared)  # (B V N h w) on a canvas, else (B*V 1 N h w)
        native = native.reshape(scenes, views, tokens, -1)  # -> (B V N h*w)
        if native.shape[-1] == 1:  # a single position has no entropy
            continue
        spread = entropy(native[:, :, kept, None])  # (B V J 1 h*w) -> (B V J)
        rows, columns = layer.size[0] // (3 if shared > 1 else 1), layer.size[1] // (2 if shared > 1 else 1)
        layers_by_size.setdefault(f"entropy_{rows}x{columns}", []).append(spread)
    return {name: torch.stack(parts).mean(0) for name, parts in layers_by_size.items()}


def groups_by_view(captured: CapturePass, layer: Captured, views: int, *, canvas: bool) -> Float[Tensor, "B V G h w"]:
    """Return each context group's share of one layer's attention, at the layer's own resolution."""
    maps = group_maps(layer.query, layer.key, layer.scale, captured.groups).unflatten(-1, layer.size)  # (I G h w)
    return split_canvas(maps, views) if canvas else maps.unflatten(0, (-1, views))


def _group_statistics(captured: CapturePass, views: int, *, canvas: bool) -> dict[str, Float[Tensor, "B V 1"]]:
    """Return each context group's share of the attention, and the spatial entropy of its map, means over layers.

    The shares, ``group_share_<name>``, sum to 1. {} if the tokens stand alone, or if each group has its own softmax.
    """
    groups = captured.groups
    if len(groups.names) < 2 or groups.separate:
        return {}
    shares, entropies = [], []
    for layer in captured.captured:
        by_view = groups_by_view(captured, layer, views, canvas=canvas)
        shares.append(by_view.mean((-2, -1)))
        entropies.append(entropy(by_view))
    means = {"share": torch.stack(shares).mean(0), "entropy": torch.stack(entropies).mean(0)}  # (B V G)
    return {f"group_{kind}_{name}": values[..., [place]] for kind, values in means.items()
            for place, name in enumerate(groups.names)}


def _batches(split: Split, passes: Passes) -> Iterator[slice]:
    """Yield the scenes in batches that fit into memory, at most a micro-batch each.

    A batch holds scenes with warped copies or scenes without.
    """
    size = max(1, _images_at_once(split, passes) // split.latents.shape[1])
    size = min(size, passes.options.micro_batch or size)
    copied = 0 if split.warped is None else len(split.warped)
    for first, last in ((0, copied), (copied, len(split))):
        for start in range(first, last, size):
            yield slice(start, min(start + size, last))


def _images_at_once(split: Split, passes: Passes) -> int:
    """Return the number of views in a batch: from constants on the CPU, where equal batches give equal last digits.

    On a GPU it follows the free memory. It is a power of two there, so that a little more or less memory changes
    neither batches nor rounding.
    """
    model, elements = passes.model, passes.spec.tokens * passes.spec.map_side**2
    free = free_memory(model.device)
    if free is None:
        return min(IMAGES_AT_ONCE, MAP_ELEMENTS // elements)
    maps = MAPS_AT_ONCE * elements * model.map_dtype.itemsize
    positions, channels = split.latents[0, 0, 0].numel(), model.unet.config.block_out_channels[0]
    values = VALUES_AT_ONCE * positions * channels * model.dtype.itemsize
    count = int(GPU_SHARE * free / (maps + values))
    return 1 << max(0, count.bit_length() - 1)


def free_memory(device: torch.device) -> int | None:
    """Return the bytes of a GPU's memory that this process can still take, None on the CPU."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # kept by PyTorch for reuse
