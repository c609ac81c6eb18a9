"""Where tokens look: points, selection without labels, and how points are tied to annotated keypoints."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.method.encode import Split
from harness.method.metrics._errors import errors_px
from harness.method.metrics.attention import statistics
from harness.method.metrics.base import HeldOut
from harness.method.passes import Diverged, Passes, on_canvas
from harness.method.selection.base import Selection
from harness.models.attention.capture import Captured, native_maps
from harness.ops.maps import peaks
from harness.ops.matching import apply_regressor, fit_regressor, fit_regressor_mirrored, match, most_frequent
from harness.ops.tensors import Maps
from harness.ops.warps import unwarped_mean

IMAGES_AT_ONCE = 48


@dataclass(frozen=True)
class Located:
    """Every token's point in every view of M scenes, and statistics of the kept tokens' maps (M V J)."""

    points_yx: Float[Tensor, "M V N 2"]
    statistics: dict[str, Tensor]
    maps: Float[Tensor, "E V J H W"]


@dataclass(frozen=True)
class Ties:
    """What labels of the fit split decide: the token of each keypoint among those kept, and among all; a regressor."""

    matched: tuple[int, ...]
    oracle: tuple[int, ...]
    regressor: Float[Tensor, "J2 K2"]


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


def tie(found: Located, split: Split, kept: Int[Tensor, " J"]) -> Ties:
    """Return what the fit split's labels decide, from points found on it."""
    errors = _mean_errors(found.points_yx, split, slice(None))
    own = found.points_yx[:, :, kept].flatten(0, 1)
    truth, visible = split.truth_yx.double().flatten(0, 1), split.visible.flatten(0, 1)
    if split.rules.mirror:
        whole = visible.all(-1)
        regressor = fit_regressor_mirrored(own[whole], truth[whole], torch.tensor(split.rules.mirror))
    else:
        regressor = fit_regressor(own, truth, visible)
    return Ties(match(errors[kept]), match(errors), regressor)


def hold_out(found: Located, split: Split, kept: Int[Tensor, " J"]) -> HeldOut | None:
    """Return the fit split's errors with even scenes tied by the odd ones' labels and odd ones by the even ones'.

    A keypoint that the other half never shows has no token. None where there are fewer than two scenes.
    """
    if len(split) < 2:
        return None
    own, truth = found.points_yx[:, :, kept], split.truth_yx.double()
    points = torch.empty_like(truth)
    for scored, labelled in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        points[scored] = _pick(own[scored], match(_mean_errors(own, split, labelled)))
    return HeldOut(errors_px(points, truth, split.size_px), split.visible, split.normaliser_px.double())


def _mean_errors(points_yx: Float[Tensor, "M V N 2"], split: Split, scenes: slice) -> Float[Tensor, "N K"]:
    """Return the mean error of each token as each keypoint over the visible points of some scenes, in normalisers."""
    points, truth, visible = points_yx[scenes], split.truth_yx[scenes].double(), split.visible[scenes]
    offsets = (points[..., :, None, :] - truth[..., None, :, :]) * torch.tensor(split.size_px)
    relative = offsets.norm(dim=-1) / split.normaliser_px[scenes][..., None, None]
    shown = visible[:, :, None].expand_as(relative)
    means: Tensor = torch.where(shown, relative, 0).sum((0, 1)) / shown.sum((0, 1))
    return means


def predict(found: Located, ties: Ties, kept: Int[Tensor, " J"]) -> dict[str, Float[Tensor, "M V K 2"]]:
    """Return the keypoints' points: "" matched, "regressed", "oracle"; NaN where a keypoint has no token."""
    own = found.points_yx[:, :, kept]
    return {
        "": _pick(own, ties.matched),
        "regressed": apply_regressor(ties.regressor, own),
        "oracle": _pick(found.points_yx, ties.oracle),
    }


def mean_pose(fit: Split, test: Split) -> Float[Tensor, "M V K 2"]:
    """Return the baseline that looks at no image: each keypoint's mean place in the fit split, view by view."""
    shown = fit.visible[..., None]
    known = torch.where(shown, fit.truth_yx.double(), 0.0)
    own, pooled = known.sum(0) / shown.sum(0), known.sum((0, 1)) / shown.sum((0, 1))
    # A keypoint that a view never shows is put where the other views show it, or at the centre.
    mean = torch.where(own.isnan(), pooled, own).nan_to_num(nan=0.5)
    return mean.expand(len(test), -1, -1, -1)


def _pick(points_yx: Tensor, indices: tuple[int, ...]) -> Tensor:
    chosen = points_yx[:, :, [max(i, 0) for i in indices]].clone()
    chosen[:, :, [i < 0 for i in indices]] = float("nan")
    return chosen


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
