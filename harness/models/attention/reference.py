"""Zero123++'s reference attention: the canvas attends to the condition image's self-attention inputs.

A first pass over the noised condition latent writes each self-attention's input; the canvas pass appends it to the
keys and values of the same layer. Source: SUDO-AI-3D/zero123plus, `ReferenceOnlyAttnProc`.
"""

from typing import Any

import torch
from torch import Tensor

from harness.models.attention.capture import Enough
from harness.models.attention.hooks import Heads, Pass


class WritePass(Pass):
    """The condition pass: stores every self-attention's input under its layer's name.

    It raises `Enough` at the cross-attention ``until``: what comes after a captured layer needs no reference.
    """

    def __init__(self, until: str = "") -> None:
        self.until = until
        self.stored: dict[str, Tensor] = {}

    def memory(self, layer: str, hidden: Tensor) -> Tensor:
        """Store the layer's input."""
        self.stored[layer] = hidden
        return hidden

    def cross(self, layer: str, attention: Any, query: Heads, context: Tensor) -> Tensor:
        """Attend as usual."""
        if layer == self.until:
            raise Enough
        return super().cross(layer, attention, query, context)


class ReadPass(Pass):
    """The canvas pass: appends what the condition pass stored, and passes cross-attention on to ``inner``."""

    def __init__(self, stored: dict[str, Tensor], inner: Pass | None = None) -> None:
        self.stored, self.inner = stored, inner or Pass()

    def memory(self, layer: str, hidden: Tensor) -> Tensor:
        """Append the stored input after the layer's own, for as many images as share a condition."""
        stored = self.stored[layer]
        return torch.cat([hidden, stored.repeat_interleave(len(hidden) // len(stored), 0)], 1)

    def cross(self, layer: str, attention: Any, query: Heads, context: Tensor) -> Tensor:
        """Leave cross-attention to the inner pass."""
        return self.inner.cross(layer, attention, query, context)
