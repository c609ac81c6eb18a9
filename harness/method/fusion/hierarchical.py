"""Strategy 2: the context attends to the parts through a learnable gate, and the parts are appended."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output, append


@dataclass(frozen=True)
class Hierarchical(Fusion):
    """Context [c + g attend(c, p); p] with parts p_k = e_k mass_k / mean mass; the gate g starts at 0."""

    def gates(self, width: int) -> Mapping[str, nn.Parameter]:
        """Return the gate g: one number, so that c is exactly the baseline's at the start."""
        return {"context": nn.Parameter(torch.zeros(()))}

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return attention over the gated context and its parts."""
        share = guidance.mass / guidance.mass.mean(-1, keepdim=True)  # (B K)
        parts = (share[..., None].to(guidance.tokens) * guidance.tokens).to(context)  # (B K D)
        attended = (context @ parts.transpose(-1, -2) / context.shape[-1] ** 0.5).softmax(-1) @ parts  # (B T D)
        gated = context + self.strength * gates["context"].to(context) * attended
        return attend(*append(gated, parts, self.strength))
