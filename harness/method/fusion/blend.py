"""Two separate attentions, over the context and over the keypoint tokens, blended at their outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output
from harness.registry import knob


@dataclass(frozen=True)
class Blend(Fusion):
    """Output (1 - alpha) A_c V_c + alpha A_e V_e with separate softmaxes."""

    softmax_apart: ClassVar[bool] = True

    alpha: float = knob(0.3, "share of the tokens' output at strength 1", low=0.0, high=1.0)

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return the blended outputs."""
        alpha = self.alpha * self.strength
        tokens = guidance.tokens.expand(len(context), -1, -1).to(context)  # (K D) -> (B K D)
        return (1 - alpha) * attend(context) + alpha * attend(tokens)
