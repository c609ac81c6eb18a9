"""How a step's time grows with tokens, views, scenes, the maps' side and the latents' side; others stay as they are.

The exponent of an axis is the slope of log time over log value: 1 is proportional. A step has parts that do not grow,
so the slope between the two largest values is steeper than that over all; both are reported.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from _bench import _networks
from _bench._turns import Run, device, paired, turns
from _bench.step import CANDIDATES, losses
from harness.method.optimise import initial_tokens, optimise
from harness.method.selection.gaussian_fps import GaussianFps

BASE = "plain forward"
TOKENS = 100
FACTORS = {"tokens": (0.25, 0.5, 1, 2, 5), "map side": (0.25, 0.5, 1), "latent side": (0.5, 1, 2)}
COUNTS = {"views": (1, 2, 4, 6), "scenes": (1, 2, 4)}


def measure(size: str = "small", rounds: int = 3) -> dict[str, Any]:
    """Return, for each axis, the time of a step at each value, and the exponents; all cases take turns."""
    scale = _networks.SIZES[size]
    values: dict[str, list[int]] = {
        "tokens": [max(10, round(TOKENS * factor)) for factor in FACTORS["tokens"]],
        "map side": [round(scale.map_side * factor) for factor in FACTORS["map side"]],
        "latent side": [max(8, round(scale.latent_side * factor)) for factor in FACTORS["latent side"]],
        **{axis: list(counts) for axis, counts in COUNTS.items()},
    }
    points = {axis: {value: _settings(scale, axis, value) for value in sorted(set(chosen))}
              for axis, chosen in values.items()}
    # The point in which all axes meet is measured once.
    cases: dict[str, Run] = {BASE: _plain(scale)}
    for settings in (settings for axis in points.values() for settings in axis.values()):
        cases.setdefault(str(settings), _step(*settings))
    seconds = turns(cases, rounds)
    groups, exponents = {}, {}
    for axis, named in points.items():
        times = {BASE: seconds[BASE], **{str(value): seconds[str(settings)] for value, settings in named.items()}}
        groups[axis] = paired(BASE, times)
        exponents[axis] = slopes(list(named), [groups[axis]["cases"][str(value)]["ratio"] for value in named])
    return {"groups": groups, "exponents": exponents}


def slopes(values: Sequence[float], times: Sequence[float]) -> dict[str, float]:
    """Return the least-squares slope of log time over log value, and that between the two largest values.

    >>> slopes([1, 2, 4], [3.0, 6.0, 12.0])
    {'all': 1.0, 'largest': 1.0}
    """
    x, y = [math.log(value) for value in values], [math.log(time) for time in times]
    fitted = statistics.linear_regression(x, y).slope if len(x) > 1 else math.nan
    last = (y[-1] - y[-2]) / (x[-1] - x[-2]) if len(x) > 1 else math.nan
    return {"all": round(fitted, 2), "largest": round(last, 2)}


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Write the curves as an SVG: one panel for each axis, time over that at the smallest value."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"  # the same figures give the same file
    from matplotlib import pyplot as plt

    groups = figures["groups"]
    drawing, panels = plt.subplots(1, len(groups), figsize=(2.6 * len(groups), 2.6), layout="constrained")
    for panel, (axis, group) in zip(panels, groups.items(), strict=True):
        cases = {int(name): case for name, case in group["cases"].items() if name != BASE}
        middle, low, high = ([case[key] for case in cases.values()] for key in ("ratio", "low", "high"))
        panel.fill_between(list(cases), low, high, color="#9ecae1", linewidth=0)
        panel.loglog(list(cases), middle, "o-", color="#08519c", markersize=4, linewidth=1.5)
        panel.set_xticks(list(cases), [str(value) for value in cases])
        panel.minorticks_off()
        top = math.ceil(math.log2(max(high)))
        ticks = [2.0**power for power in range(math.floor(math.log2(min(low))), top + 1)]
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        slope = figures["exponents"][axis]
        panel.set_title(f"{axis}\nslope {slope['all']:.2f}, last {slope['largest']:.2f}", fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(visible=True, color="#dddddd", linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("step, in plain forward passes", fontsize=8)
    drawing.savefig(path, metadata={"Date": None})
    plt.close(drawing)


def _settings(scale: _networks.Size, axis: str, value: int) -> tuple[_networks.Size, int, int, int]:
    """Return size, tokens, views and scenes of a point on an axis."""
    if axis == "map side":
        return replace(scale, map_side=value), TOKENS, 1, 1
    if axis == "latent side":
        return replace(scale, latent_side=value), TOKENS, 1, 1
    counts = {"tokens": TOKENS, "views": 1, "scenes": 1, axis: value}
    return scale, counts["tokens"], counts["views"], counts["scenes"]


def _step(scale: _networks.Size, tokens: int, views: int, scenes: int) -> Run:
    passes = _networks.passes(scale, tokens, scenes_per_step=scenes)
    split, terms, selection = _networks.scenes(scale, scenes, views), losses(), GaussianFps(candidates=CANDIDATES)
    return lambda: optimise(passes, split, selection, terms, lambda step: None)


def _plain(scale: _networks.Size) -> Run:
    """One image through the whole UNet, without gradient."""
    unet = _networks.unet(scale)
    image = torch.randn(1, 4, scale.latent_side, scale.latent_side, device=device())
    context = initial_tokens(77, scale.width, 0)[None].to(device())

    def run() -> None:
        with torch.no_grad():
            unet(image, 0, encoder_hidden_states=context)

    return run
