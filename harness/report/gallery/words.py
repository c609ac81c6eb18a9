"""Descriptions in words of what each token looks at; every word is computed from captured maps or recorded points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.report.evolution.numbers import AT, COLUMNS, NEAR, ROWS, SETTLED

# Upper limits of the words: effective area as a share of the view, ratio of the map's axes, times a uniform map.
SIZES = ((0.02, "a point"), (0.1, "a small patch"), (0.35, "a region"), (0.7, "spread over much of the view"),
         (1.01, "spread over nearly the whole view"))
SHAPES = ((1.25, "round"), (2.0, "somewhat elongated"), (np.inf, "elongated"))
COVERS, TOUCHES = 3.0, 1.5
STEADY = 0.02  # range of a token's entropy over views
Numbers = Mapping[str, Any]


def from_evolution(numbers: Numbers) -> list[tuple[str, list[str]]]:
    """Return a heading and sentences for each kept token, from evolution.json."""
    views = numbers["described_scenes"] * numbers["views"]
    return [(_head(token), [_place(token, views), _size(token), _over_views(token, numbers["views"]),
                            *_over_noise(token, numbers["tracks"]), *_parts(token)])
            for token in numbers["tokens"]]


def from_points(points: Mapping[str, np.ndarray], names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return a heading and sentences for the token tied to each keypoint, from points.parquet alone."""
    if not {"found_y", "found_x", "error", "normaliser", "visible"} <= points.keys():
        return []
    described = []
    for k in np.unique(points["keypoint"]):
        rows = points["keypoint"] == k
        found = np.stack([points["found_y"], points["found_x"]], -1)[rows].astype(float)
        label = names[k] if k < len(names) else f"keypoint {k}"
        if not np.isfinite(found).all():
            described.append((label, ["No token is tied to it."]))
            continue
        seen = points["visible"][rows].astype(bool)
        described.append((label, [_where(*_shares(found), len(found), _spread(found)),
                                  *(_hits(points, rows) if seen.any() else ["No view shows it."])]))
    return described


def _head(token: Numbers) -> str:
    tied = " and ".join(token["tied_to"])
    return f"Token {token['token']}" + (f", tied to {tied}" if tied else "")


def _place(token: Numbers, views: int) -> str:
    place, share = max(token["place"].items(), key=lambda item: item[1])
    return _where(place, share, views, token["spread"])


def _where(place: str, share: float, views: int, spread: float) -> str:
    words = "the middle" if place == "middle centre" else f"the {place}"
    if views == 1:
        return f"Its point is in {words} of the view."
    return (f"Its point is most often in {words} of the view ({share:.0%} of {views} views), "
            f"on average {spread:.2f} of a side from its mean place.")


def _size(token: Numbers) -> str:
    size, shape = _word(token["area"], SIZES), _word(token["elongation"], SHAPES)
    return (f"Its map is {size} (effective area {token['area']:.0%}) and {shape} "
            f"(axes {token['elongation']:.1f} : 1).")


def _over_views(token: Numbers, views: int) -> str:
    low, high = min(token["entropy_by_view"]), max(token["entropy_by_view"])
    if views == 1:
        return f"Its entropy is {low:.3f}."
    same = "equally sharp in every view" if high - low < STEADY else "sharper in some views"
    return f"The map is {same} (entropy {low:.3f} to {high:.3f})."


def _over_noise(token: Numbers, tracks: Sequence[Numbers]) -> list[str]:
    words = []
    for track in tracks:
        found, levels = token["over_noise"][track["name"]], track["levels"]
        first, last = levels[0]["noise_remaining"], levels[-1]["noise_remaining"]
        settled = (f"settles at {found['settled_at']:.0%} (correlation of at least {SETTLED:g} from there on)"
                   if found["settled_at"] > last else "does not settle before that")
        words.append(f"In the {track['name']} its map at {first:.0%} noise correlates by {found['with_last'][0]:.2f} "
                     f"with that at {last:.0%} and {settled}.")
    return words


def _parts(token: Numbers) -> list[str]:
    """Return the annotated part that a token covers most against a uniform map, and how much."""
    if not token["keypoints"]:
        return []
    best = max(token["keypoints"], key=lambda part: part["share"] / max(part["by_chance"], 1e-12))
    times = best["share"] / max(best["by_chance"], 1e-12)
    within = f"{best['share']:.1%} of its map lies within {NEAR:g} normalisers of it"
    against = f"{times:.1f} times a uniform map's share"
    point = f"its point is within {AT:g} of it in {best['at']:.0%} of {best['views']} views that show it"
    verb = "covers" if times >= COVERS else "touches" if times >= TOUCHES else ""
    if not verb:
        return [f"It covers no annotated part: the nearest to one is {best['keypoint']} ({within}, {against})."]
    return [f"It {verb} {best['keypoint']}: {within}, {against}; {point}."]


def _word(value: float, limits: Sequence[tuple[float, str]]) -> str:
    return next(word for limit, word in limits if value < limit)


def _shares(found: np.ndarray) -> tuple[str, float]:
    """Return the ninth of the view that holds most points (N 2), and its share of them."""
    cells = np.clip((found * 3).astype(int), 0, 2)
    counts = np.bincount(cells[:, 0] * 3 + cells[:, 1], minlength=9)
    best = int(counts.argmax())
    return f"{ROWS[best // 3]} {COLUMNS[best % 3]}", float(counts[best] / len(found))


def _spread(found: np.ndarray) -> float:
    return float(np.sqrt(((found - found.mean(0)) ** 2).sum(-1).mean()))


def _hits(points: Mapping[str, np.ndarray], rows: np.ndarray) -> list[str]:
    """Return how near a keypoint's token is to it, and in which views."""
    shown = rows & points["visible"].astype(bool)
    relative, views = (points["error"] / points["normaliser"])[shown], points["view"][shown]
    by_view = [float((relative[views == view] <= AT).mean()) for view in np.unique(views)]
    over = f", from {min(by_view):.0%} to {max(by_view):.0%} by view" if len(by_view) > 1 else ""
    return [f"It lies within {AT:g} normalisers of the keypoint in {(relative <= AT).mean():.0%} of {len(relative)} "
            f"views that show it{over}; median distance {np.median(relative):.2f}."]
