"""The fall of the loss: steps to 90% of the drop, area under the curve, final values, divergence."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harness.method.metrics.base import Metric, Observations


@dataclass(frozen=True)
class Convergence(Metric):
    """The shape of the loss curve. Read it beside the entropy: a loss also falls while attention stays spread out.

    The curve is the total with every term at its final weight, so that growing weights do not look like divergence,
    smoothed by a centred moving average. Scores: ``steps_to_90`` and ``area_under_curve``, left out if the loss
    never falls below its start; ``loss_final`` and ``<term>_final``, the smoothed last values of the recorded total and
    of each raw term, left out for a term that is 0 in every step, such as a comparison of views on single views;
    ``diverged``, 1 if a value is not finite or the smoothed curve ends above its start, left out if the curve is so
    short that both ends are means over all of it.
    """

    smoothing: int = 9  # steps of the moving average; no knob, so that a score means the same everywhere

    def __call__(self, observed: Observations) -> dict[str, float]:
        """Return the scores; {} without a curve."""
        if "loss" not in observed.curve or not len(observed.curve["loss"]):
            return {}
        if not all(values.isfinite().all() for values in observed.curve.values()):
            return {"diverged": 1.0}
        scores = {
            f"{name}_final": smoothed(values, self.smoothing)[-1].item()
            for name, values in observed.curve.items()
            if name not in ("step", "seconds") and not name.endswith("_weighted") and (name == "loss" or values.any())
        }
        curve = smoothed(at_final_weights(observed.curve), self.smoothing)
        if len(curve) > self.smoothing // 2 + 1:
            scores["diverged"] = float(curve[-1] > curve[0])
        if curve.min() < curve[0]:
            scores |= {"steps_to_90": float(steps_to(curve, 0.9)), "area_under_curve": area_under(curve)}
        return scores


def at_final_weights(curve: Mapping[str, Float[Tensor, " P"]]) -> Float[Tensor, " P"]:
    """Return the total loss with each raw term times its last known weight; without terms the recorded total.

    A weight is the quotient of a weighted and a raw value, so it is known at the steps whose raw value is not 0.
    """
    terms = [name for name in curve if f"{name}_weighted" in curve]
    if not terms:
        return curve["loss"].double()
    total = torch.zeros(len(curve["loss"]), dtype=torch.float64)
    for name in terms:
        steps = curve[name].nonzero().flatten().tolist()
        if steps:  # a term that is 0 throughout adds nothing
            last = steps[-1]
            total += (curve[f"{name}_weighted"][last] / curve[name][last]).item() * curve[name].double()
    return total


def smoothed(values: Float[Tensor, " P"], span: int) -> Float[Tensor, " P"]:
    """Return the centred moving average over ``span`` steps, over fewer near the ends."""
    values = values.double()
    total = torch.cat([torch.zeros(1, dtype=torch.float64), values.cumsum(0)])
    step = torch.arange(len(values))
    low, high = (step - span // 2).clamp(min=0), (step + span // 2 + 1).clamp(max=len(values))
    return (total[high] - total[low]) / (high - low)


def steps_to(curve: Float[Tensor, " P"], share: float) -> int:
    """Return the first step, counted from 0, that reaches ``share`` of the drop from the first to the lowest value."""
    limit = curve[0] - share * (curve[0] - curve.min())
    return int((curve <= limit + 1e-12 * curve[0].abs()).nonzero()[0])


def area_under(curve: Float[Tensor, " P"]) -> float:
    """Return the mean height of a falling curve between its lowest value (0) and its first (1): smaller is faster."""
    height = (curve - curve.min()) / (curve[0] - curve.min())
    return float(torch.trapezoid(height) / (len(curve) - 1))
