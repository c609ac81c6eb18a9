"""The interface of a fusion: the effect of keypoint tokens on a cross-attention layer of the view pass."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.registry import knob

Context = Float[Tensor, "B T D"]
Output = Float[Tensor, "B S E"]
Attend = Callable[..., Output]


@dataclass(frozen=True)
class Guidance:
    """The keypoint tokens and their maps, as the input of one cross-attention layer of the view pass.

    Attributes:
        tokens: The keypoint tokens; they carry gradients.
        maps: The tokens' attention in the layer's own spatial order on the canvas, with sum 1 (mean 1 / S) over space;
            no gradient.
        mass: Each token's mean attention before that normalisation; no gradient.
    """

    tokens: Float[Tensor, "K D"]
    maps: Float[Tensor, "B K S"]
    mass: Float[Tensor, "B K"]


@dataclass(frozen=True)
class Fusion(ABC):
    """A way of feeding keypoint tokens into the view pass; at strength 0 it is exactly the baseline.

    >>> class Replace(Fusion):
    ...     def fuse(self, attend, context, guidance, gates):
    ...         return attend(guidance.tokens.expand(len(context), -1, -1))
    >>> guidance = Guidance(torch.ones(3, 8), torch.full((1, 3, 16), 1 / 16), torch.ones(1, 3))
    >>> def attend(context, bias=None, change=None):
    ...     return context.mean(1, keepdim=True).expand(-1, 16, -1)
    >>> Replace(strength=1.0)(attend, torch.zeros(1, 77, 8), guidance, {}).mean()
    tensor(1.)
    """

    softmax_apart: ClassVar[bool] = False  # whether the tokens' attention has a softmax of its own, without the context

    strength: float = knob(1.0, "how strongly the tokens act; 0 is the baseline", low=0.0, high=1.0)

    def gates(self, width: int) -> Mapping[str, nn.Parameter]:
        """Return the learnable gates that are optimised beside the tokens; none unless a fusion overrides it."""
        return {}

    def __call__(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return the layer's output.

        Args:
            attend: ``attend(context, bias=None, change=None)``, the layer's attention over any context (B T D);
                ``bias`` (T) is added to the logits, ``change`` maps probabilities (B A S T) to those to use.
            context: The layer's own context, the text's states.
            guidance: The keypoint tokens and their maps.
            gates: The parameters of `gates` by name.
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
    joined = torch.cat([context, tokens.to(context)], 1)  # (B T D), (B K D) -> (B T+K D)
    if strength == 1:
        return joined, None
    bias = joined.new_zeros(joined.shape[1])
    bias[context.shape[1]:] = math.log(strength)
    return joined, bias
