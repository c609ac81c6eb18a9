"""How keypoint tokens act on a cross-attention layer of the view pass."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.registry import knob

Context = Float[Tensor, "B T D"]
Output = Float[Tensor, "B S E"]
Attend = Callable[..., Output]


@dataclass(frozen=True)
class Guidance:
    """The keypoint tokens and where they look, as one cross-attention layer of the view pass sees them.

    ``tokens`` (K D) carry gradients, ``maps`` do not: (B K S) in the layer's own spatial order on the canvas, each row
    the token's attention with sum 1 over the canvas (its mean over space is 1 / S). ``mass`` (B K) is the token's mean
    attention before that normalisation.
    """

    tokens: Float[Tensor, "K D"]
    maps: Float[Tensor, "B K S"]
    mass: Float[Tensor, "B K"]


@dataclass(frozen=True)
class Fusion(ABC):
    """A way of feeding keypoint tokens into the view pass; at strength 0 it is exactly the baseline."""

    strength: float = knob(1.0, "how strongly the tokens act; 0 is the baseline", low=0.0, high=1.0)

    def gates(self, width: int) -> Mapping[str, nn.Parameter]:
        """Return the learnable gates that are optimised beside the tokens; none unless a fusion overrides it."""
        return {}

    def __call__(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return the layer's output.

        ``attend(context, bias=None, change=None)`` is its attention over any context (B T D), with ``bias`` (T) added
        to the logits and probabilities (B A S T) replaced by ``change`` of them.
        """
        if self.strength == 0:
            return attend(context)
        return self.fuse(attend, context, guidance, gates)

    @abstractmethod
    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return the layer's output at a strength above 0."""


BASE = Fusion


def append(context: Context, tokens: Float[Tensor, "B K D"], strength: float
           ) -> tuple[Float[Tensor, "B TK D"], Float[Tensor, " TK"] | None]:
    """Return [context; tokens] and the logit bias log(strength) on the tokens' columns, None at full strength."""
    joined = torch.cat([context, tokens.to(context)], 1)
    if strength == 1:
        return joined, None
    bias = joined.new_zeros(joined.shape[1])
    bias[context.shape[1]:] = math.log(strength)
    return joined, bias
