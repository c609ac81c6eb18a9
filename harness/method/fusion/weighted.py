"""Strategy 1: keypoint tokens are appended, each scaled by the attention that it receives."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output, append
from harness.registry import knob


@dataclass(frozen=True)
class Weighted(Fusion):
    """Context [c; w_k e_k]; w = K softmax_k(mass_k / tau), with mass relative to its mean over tokens."""

    tau: float = knob(1.0, "temperature of the weights", low=1e-3, high=1e3)
    normalise: str = knob("mean", "K softmax of mean masses, or softmax of spatial sums, which saturates and shrinks",
                          choices=("mean", "sum"))

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return attention over context and weighted tokens."""
        mass, count = guidance.mass, guidance.mass.shape[-1]
        if self.normalise == "sum":
            weights = (mass * guidance.maps.shape[-1] / self.tau).softmax(-1)  # (B K)
        else:
            weights = count * (mass / mass.mean(-1, keepdim=True) / self.tau).softmax(-1)
        tokens = weights[..., None].to(guidance.tokens) * guidance.tokens  # (B K 1) * (K D) -> (B K D)
        return attend(*append(context, tokens, self.strength))
