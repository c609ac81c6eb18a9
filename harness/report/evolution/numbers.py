"""The numbers of an evolution: curves over noise, correlation of levels, and where each token looks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.report.evolution.agreement import Agreement

if TYPE_CHECKING:
    from torch import Tensor

    from harness.method.tracks import Evolution, Track

NEAR = 0.1  # of the normaliser: a map's mass so near to a keypoint covers it
AT = 0.2  # of the normaliser: a point so near to a keypoint is at it
SETTLED = 0.9  # correlation with the map of least noise
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


def numbers(evolution: "Evolution", agreement: Agreement, trial: str) -> dict[str, Any]:
    """Return everything that evolution.json holds."""
    correlations = {track.name: correlation(track) for track in evolution.tracks}
    return {
        "trial": trial, "scene": evolution.scene, "scene_name": evolution.scene_name,
        "agreement": {"points_equal": agreement.equal, "points": agreement.points,
                      "entropy_off": agreement.entropy_off, "view_entropy_off": agreement.view_entropy_off},
        "tracks": [{
            "name": track.name, "source": track.source,
            "levels": [{"timestep": level.timestep, "step": level.step, "noise_remaining": level.noise,
                        "scored": level.scored,
                        "attention_residual": level.residual.attention, "row_sum_residual": level.residual.rows,
                        **{name: float(values.mean()) for name, values in _statistics(level.maps).items()}}
                       for level in track.levels],
            "correlation": correlations[track.name].mean(-1).tolist(),
        } for track in evolution.tracks],
        "described_scenes": len(evolution.truth_yx),
        "views": evolution.truth_yx.shape[1],
        "tokens": [_token(evolution, agreement, j) | {"over_noise": _over_noise(evolution, correlations, j)}
                   for j in range(len(evolution.kept))],
    }


def rows(evolution: "Evolution") -> dict[str, list[Any]]:
    """Return one row per pass, noise level, view and kept token: the columns of levels.parquet."""
    from harness.ops.maps import peaks

    columns: dict[str, list[Any]] = {}
    for track in evolution.tracks:
        for level in track.levels:
            points, statistics = peaks(level.maps), _statistics(level.maps)  # (V J 2), (V J)
            for view in range(len(level.maps)):
                for j, token in enumerate(evolution.kept):
                    row = {"pass": track.name, "timestep": level.timestep, "step": level.step,
                           "noise_remaining": level.noise, "scored": level.scored, "view": view, "token": token,
                           "y": float(points[view, j, 0]), "x": float(points[view, j, 1]),
                           **{name: float(values[view, j]) for name, values in statistics.items()}}
                    for name, value in row.items():
                        columns.setdefault(name, []).append(value)
    return columns


def correlation(track: "Track") -> np.ndarray:
    """Return Pearson's correlation of the maps of every two levels, mean over views, for each token: P P J."""
    maps = np.stack([level.maps.double().flatten(2).numpy() for level in track.levels])  # (P V J S)
    centred = maps - maps.mean(-1, keepdims=True)
    norms = np.sqrt((centred**2).sum(-1, keepdims=True))
    unit = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 0)
    correlations: np.ndarray = np.einsum("pvjs,qvjs->pqj", unit, unit) / maps.shape[1]
    return correlations


def _statistics(maps: "Tensor") -> "dict[str, Tensor]":
    from harness.method.metrics.attention import statistics

    return statistics(maps)


def _token(evolution: "Evolution", agreement: Agreement, j: int) -> dict[str, Any]:
    """Return where one token looks in the described scenes, at the noise level of the scores."""
    located, token = evolution.located, evolution.kept[j]
    points = located.points_yx[:, :, token].numpy()  # (M V 2)
    maps = located.maps[:, :, j].double().numpy()  # (M V H W)
    tied = [evolution.keypoint_names[k] for k, index in enumerate(agreement.tied) if index == j
            and k < len(evolution.keypoint_names)]
    cells = np.minimum((points * 3).astype(int), 2).reshape(-1, 2)
    counts = {f"{row} {column}": float(((cells == (r, c)).all(1)).mean())
              for r, row in enumerate(ROWS) for c, column in enumerate(COLUMNS)}
    return {
        "token": token, "tied_to": tied,
        "place": counts, "mean_yx": points.reshape(-1, 2).mean(0).tolist(),
        "spread": float(np.sqrt(((points - points.mean((0, 1))) ** 2).sum(-1).mean())),
        "area": float(located.statistics["effective_area"][..., j].double().mean()),
        "elongation": float(np.median(elongation(maps))),
        "entropy_by_view": located.statistics["entropy"][..., j].double().mean(0).tolist(),
        "keypoints": _covered(evolution, maps, points),
    }


def elongation(maps: np.ndarray) -> np.ndarray:
    """Return the ratio of the axes of each map's (... H W) ellipse of second moments, in shares of the sides: >= 1."""
    total = maps.sum((-2, -1), keepdims=True)
    p = maps / np.where(total > 0, total, 1.0)
    y, x = ((np.arange(n) + 0.5) / n for n in maps.shape[-2:])
    mean_y, mean_x = (p.sum(-1) * y).sum(-1), (p.sum(-2) * x).sum(-1)
    dy, dx = y - mean_y[..., None], x - mean_x[..., None]
    yy, xx = (p.sum(-1) * dy**2).sum(-1), (p.sum(-2) * dx**2).sum(-1)
    xy = (p * dy[..., :, None] * dx[..., None, :]).sum((-2, -1))
    half, root = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    ratio: np.ndarray = np.sqrt((half + root) / np.maximum(half - root, 1e-12))
    return ratio


def _covered(evolution: "Evolution", maps: np.ndarray, points: np.ndarray) -> list[dict[str, Any]]:
    """Return for each keypoint the share of the map near it where it is visible, and of views with the point at it."""
    truth, visible = evolution.truth_yx.double().numpy(), evolution.visible.numpy()  # (M V K 2), (M V K)
    unit = evolution.normaliser_px.double().numpy()[..., None]  # (M V 1)
    size = np.array(evolution.size_px, float)
    height, width = maps.shape[-2:]
    y, x = (np.arange(height) + 0.5) / height * size[0], (np.arange(width) + 0.5) / width * size[1]
    total = np.maximum(maps.sum((-2, -1)), 1e-30)
    covered = []
    for k in range(truth.shape[2]):
        seen = visible[:, :, k]
        if not seen.any():
            continue
        place = truth[:, :, k] * size  # (M V 2), in pixels
        squared = (y - place[..., :1])[..., :, None] ** 2 + (x - place[..., 1:])[..., None, :] ** 2  # (M V H W)
        near = squared <= (NEAR * unit[..., None]) ** 2
        at = np.sqrt((((points - truth[:, :, k]) * size) ** 2).sum(-1)) <= AT * unit[..., 0]
        names = evolution.keypoint_names
        covered.append({
            "keypoint": names[k] if k < len(names) else f"keypoint {k}", "views": int(seen.sum()),
            "share": float(((maps * near).sum((-2, -1)) / total)[seen].mean()),
            "by_chance": float(near.mean((-2, -1))[seen].mean()),
            "at": float(at[seen].mean()),
        })
    return covered


def _over_noise(evolution: "Evolution", correlations: Mapping[str, np.ndarray], j: int) -> dict[str, Any]:
    """Return by pass one token's correlation of each level with the last, and the noise at which it has settled."""
    found: dict[str, Any] = {}
    for track in (track for track in evolution.tracks if track.levels[0].step is None):
        values = correlations[track.name][:, -1, j]
        below = np.flatnonzero(values < SETTLED)
        first = min(int(below[-1]) + 1, len(values) - 1) if len(below) else 0
        found[track.name] = {"with_last": values.tolist(), "settled_at": track.levels[first].noise}
    return found
