"""Attention processors for a UNet that call the current pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Queries = Float[Tensor, "B A S d"]
Keys = Float[Tensor, "B A T d"]  # and values


class Pass:
    """A pass through the UNet: its attention layers call it. The plain pass only attends.

    A pass is used for one call of the UNet. ``layer`` is the attention module's dotted name.
    """

    def memory(self, layer: str, hidden: Float[Tensor, "B S C"]) -> Float[Tensor, "B R C"]:
        """Return the states from which a self-attention computes keys and values."""
        return hidden

    def cross(self, layer: str, attention: Any, query: Queries, context: Float[Tensor, "B T D"]
              ) -> Float[Tensor, "B S C"]:
        """Return a cross-attention's output, heads concatenated, before its output projection."""
        return attend(attention, query, context)


class Hooks:
    """Attention processors that call the current `Pass`; outside `during` the UNet attends as usual.

    With ``rows`` each layer attends that many positions at a time: slower, for GPUs without memory-saving attention.
    """

    def __init__(self, unet: Any, rows: int = 0) -> None:
        self.current = Pass()
        self.names = [name.removesuffix(".processor") for name in unet.attn_processors]
        for name in self.names:
            _check(name, unet.get_submodule(name))
            unet.get_submodule(name).rows_at_once = rows
        unet.set_attn_processor({f"{name}.processor": _Processor(self, name) for name in self.names})

    @contextmanager
    def during(self, current: Pass) -> Iterator[None]:
        """Make ``current`` the pass until the block ends."""
        before, self.current = self.current, current
        try:
            yield
        finally:
            self.current = before


class _Processor:
    def __init__(self, hooks: Hooks, layer: str) -> None:
        self.hooks, self.layer = hooks, layer

    def __call__(self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, temb: Tensor | None = None) -> Tensor:
        current = self.hooks.current
        query = heads(attention.to_q(hidden_states), attention.heads)  # (B S C) -> (B A S d)
        if encoder_hidden_states is None:
            output = attend(attention, query, current.memory(self.layer, hidden_states))
        else:
            output = current.cross(self.layer, attention, query, encoder_hidden_states)
        projected: Tensor = attention.to_out[0](output)
        return projected


def attend(attention: Any, query: Queries, context: Float[Tensor, "B T D"], bias: Float[Tensor, " T"] | None = None,
           change: Callable[[Tensor], Tensor] | None = None) -> Float[Tensor, "B S C"]:
    """Return the layer's attention of ``query`` over ``context``.

    ``bias`` is added to the logits; ``change`` is applied to the probabilities (B A S T), which are then
    computed explicitly.
    """
    key, value = project(attention.to_k, attention, context), project(attention.to_v, attention, context)
    mask = None if bias is None else bias.to(query)[None]  # (T) -> (1 T): PyTorch's attention takes no vector
    parts = query.split(getattr(attention, "rows_at_once", 0) or query.shape[2], dim=2)
    outputs = [_attended(part, key, value, mask, attention.scale, change) for part in parts]
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)  # cat copies even a single one
    return rearrange(output, "b a s d -> b s (a d)")  # (B A S d) -> (B S C)


def _attended(query: Queries, key: Keys, value: Keys, mask: Tensor | None, scale: float,
              change: Callable[[Tensor], Tensor] | None) -> Queries:
    if change is None:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    logits = query @ key.transpose(-1, -2) * scale  # (B A S T)
    return change((logits if mask is None else logits + mask).softmax(-1)) @ value


def project(layer: Any, attention: Any, context: Float[Tensor, "B T D"]) -> Keys:
    """Return the keys or values of a context; one that was expanded over the batch is projected once."""
    shared = context[:1] if context.stride(0) == 0 else context
    return heads(layer(shared), attention.heads).expand(len(context), -1, -1, -1)  # (1 A T d) -> (B A T d)


def heads(states: Float[Tensor, "B S C"], count: int) -> Queries:
    """Return the states split into heads."""
    return rearrange(states, "b s (a d) -> b a s d", a=count)  # (B S C) -> (B A S d)


def _check(name: str, attention: Any) -> None:
    """Raise ValueError for an attention layer with steps that the processors above lack."""
    plain = (
        attention.group_norm is None and attention.spatial_norm is None and not attention.norm_cross
        and attention.norm_q is None and attention.norm_k is None and not attention.residual_connection
        and attention.rescale_output_factor == 1 and isinstance(attention.to_out[1], torch.nn.Dropout)
    )
    if not plain:
        raise ValueError(f"attention layer {name} normalises or rescales in a way that is not supported")
