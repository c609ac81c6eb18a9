"""Capture of tokens' attention maps from a UNet's cross-attention layers, with gradients, at low cost.

Only queries and keys are kept; every layer's own attention stays fused. Maps are computed from them later, in blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from harness.models.attention.groups import Groups
from harness.models.attention.hooks import Keys, Pass, Queries, attend, heads, project


class Enough(Exception):
    """The last captured layer is reached: the rest of the UNet need not run."""


class NothingCaptured(RuntimeError):
    """Maps were asked for of a pass that captured no layer's attention; nothing stands in for them."""

    def __init__(self) -> None:
        super().__init__("no attention was captured, so there is no map to score or draw")


@dataclass(frozen=True)
class Captured:
    """One layer's queries over space and keys over tokens; ``size`` is its map's rows and columns on the canvas.

    ``bias`` was added to the logits; None for none.
    """

    layer: str
    query: Queries
    key: Keys
    scale: float
    size: tuple[int, int]
    bias: Float[Tensor, " T"] | None = None

    def probabilities(self, dtype: torch.dtype | None = None) -> Float[Tensor, "B A S T"]:
        """Return the layer's own probabilities, at its own resolution, in ``dtype`` or that of queries and keys."""
        query, key = self.query.to(dtype or self.query.dtype), self.key.to(dtype or self.key.dtype)
        logits = query @ key.transpose(-1, -2) * self.scale  # (B A S d) x (B A d T) -> (B A S T)
        return (logits if self.bias is None else logits + self.bias).softmax(-1)


@dataclass(frozen=True)
class Residual:
    """The largest |probabilities @ V - output|, |output| and |row sum - 1| of layers whose capture was checked."""

    attention: float = 0.0
    output: float = 0.0
    rows: float = 0.0

    @property
    def worst(self) -> float:
        """Return the larger residual; that of the outputs relative to the largest one if that exceeds 1."""
        return worst(self.attention / worst(self.output, 1.0), self.rows)

    def joined(self, other: "Residual") -> "Residual":
        """Return the largest of both."""
        return Residual(worst(self.attention, other.attention), worst(self.output, other.output),
                        worst(self.rows, other.rows))


def compare(captured: Captured, attention: Any, context: Tensor, output: Tensor, dtype: torch.dtype | None = None
            ) -> Residual:
    """Return the residual of captured probabilities, in ``dtype``, against the layer's real output over a context."""
    probabilities = captured.probabilities(dtype)
    value = heads(attention.to_v(context), attention.heads).to(probabilities)  # (B A T d)
    explicit = rearrange(probabilities @ value, "b a s d -> b s (a d)")
    return Residual((explicit - output).abs().max().item(), output.abs().max().item(),
                    (probabilities.sum(-1) - 1).abs().max().item())


class CapturePass(Pass):
    """Keeps queries and keys of chosen layers and stops the UNet after the last of them, unless ``whole``.

    With ``check`` it also compares explicit probabilities, in the maps' ``dtype``, with the layers' real outputs:
    ``residual``. ``groups`` says how attention is shared over the context; None: by one softmax.
    """

    def __init__(self, layers: Sequence[str], latent_size: tuple[int, int], *, whole: bool = False,
                 check: bool = False, dtype: torch.dtype | None = None, groups: Groups | None = None) -> None:
        self.layers, self.latent_size, self.whole, self.check = list(layers), latent_size, whole, check
        self.dtype, self.groups = dtype, groups or Groups((), ())
        self.captured: list[Captured] = []
        self.residual = Residual()

    def cross(self, layer: str, attention: Any, query: Queries, context: Tensor) -> Tensor:
        """Keep the layer's queries and keys, then attend as usual."""
        if layer in self.layers:
            key = project(attention.to_k, attention, self.groups.own(context))
            size = map_size(query.shape[2], self.latent_size)
            self.captured.append(Captured(layer, query, key, attention.scale, size, self.groups.bias))
            if len(self.captured) == len(self.layers) and not (self.whole or self.check):
                raise Enough
        output = self.groups.attend(attention, query, context)
        if self.check and layer in self.layers:
            own = self.groups.own(context)
            real = output if own is context else attend(attention, query, own)
            found = compare(self.captured[-1], attention, own, real, self.dtype)
            self.residual = self.residual.joined(found)
            if len(self.captured) == len(self.layers) and not self.whole:
                raise Enough
        return output


def worst(*values: float) -> float:
    """Return the largest value, NaN if any value is NaN; Python's max may drop a NaN."""
    return next((value for value in values if value != value), max(values))


def up_layers(names: Sequence[str]) -> list[str]:
    """Return the cross-attention layers of the up path, in the order in which the UNet runs them."""
    return [name for name in names if name.startswith("up_blocks.") and name.endswith("attn2")]


def map_size(positions: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a layer with so many positions; a UNet halves sizes, rounding up."""
    rows, columns = latent_size
    while rows * columns > positions:
        rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
    if rows * columns != positions:
        raise ValueError(f"{positions} positions do not come from a {latent_size[0]} x {latent_size[1]} latent")
    return rows, columns
