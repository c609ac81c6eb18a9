"""Zero123++'s reference attention: the canvas attends to the condition image's self-attention inputs.

A first pass over the noised condition latent writes each self-attention's input; the canvas pass appends it to the
keys and values of the same layer. Source: SUDO-AI-3D/zero123plus, `ReferenceOnlyAttnProc`.
"""

from typing import Any

import torch
from torch import Tensor

from harness.models.attention.capture import Enough
from harness.models.attention.groups import Groups
from harness.models.attention.hooks import Pass, Queries


class WritePass(Pass):
    """The condition pass: stores every self-attention's input under its layer's name.

    It raises `Enough` at the cross-attention ``until``: layers after the last captured one need no reference.
    ``groups`` says how attention is shared over the context; None: by one softmax.
    """

    def __init__(self, until: str = "", groups: Groups | None = None) -> None:
        self.until, self.groups = until, groups or Groups((), ())
        self.stored: dict[str, Tensor] = {}

    def memory(self, layer: str, hidden: Tensor) -> Tensor:
        """Store the layer's input."""
        self.stored[layer] = hidden
        return hidden

    def cross(self, layer: str, attention: Any, query: Queries, context: Tensor) -> Tensor:
        """Attend as the views do."""
        if layer == self.until:
            raise Enough
        return self.groups.attend(attention, query, context)


class ReadPass(Pass):
    """The canvas pass: appends the condition pass's stored inputs, and leaves cross-attention to ``inner``."""

    def __init__(self, stored: dict[str, Tensor], inner: Pass | None = None) -> None:
        self.stored, self.inner = stored, inner or Pass()

    def memory(self, layer: str, hidden: Tensor) -> Tensor:
        """Append the stored input to the layer's own, repeated for the images that share a condition."""
        stored = self.stored[layer]
        repeated = stored.repeat_interleave(len(hidden) // len(stored), 0)  # (B R C) -> (B*V R C)
        return torch.cat([hidden, repeated], 1)  # (B*V S C), (B*V R C) -> (B*V S+R C)

    def cross(self, layer: str, attention: Any, query: Queries, context: Tensor) -> Tensor:
        """Leave cross-attention to the inner pass."""
        return self.inner.cross(layer, attention, query, context)
