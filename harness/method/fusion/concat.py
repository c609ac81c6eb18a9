"""Keypoint tokens are appended to the context and share its softmax: 77 + K columns."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output, append


@dataclass(frozen=True)
class Concat(Fusion):
    """Context [c; e]."""

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return attention over context and tokens."""
        tokens = guidance.tokens.expand(len(context), -1, -1)  # (K D) -> (B K D)
        return attend(*append(context, tokens, self.strength))
