"""The named groups of a keypoint pass's context: text, further embeddings, the optimised tokens."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.models.attention.hooks import Queries, attend

TEXT, TOKENS = "text", "tokens"


@dataclass(frozen=True)
class Beside:
    """What stands in the context before the optimised tokens, and how attention is shared.

    Attributes:
        text: whether the text's tokens stand there.
        text_tokens: how many of them, from the first on; 0 for all.
        text_bias: added to their logits.
        further: named embeddings.
        separate: each group has a softmax of its own, and the outputs are averaged; else one softmax over all.
    """

    text: bool = False
    text_tokens: int = 0
    text_bias: float = 0.0
    further: tuple[tuple[str, Float[Tensor, "_ D"]], ...] = ()
    separate: bool = False


@dataclass(frozen=True)
class Groups:
    """The groups in the order of the context's columns, the tokens last; ``bias`` is added to the logits."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    bias: Float[Tensor, " T"] | None = None
    separate: bool = False

    @property
    def spans(self) -> list[slice]:
        """The columns of each group."""
        return [slice(end - count, end) for end, count in zip(accumulate(self.counts), self.counts, strict=True)]

    def own(self, context: Float[Tensor, "B T D"]) -> Float[Tensor, "B t D"]:
        """Return the columns that the tokens' softmax runs over: all of them, or with ``separate`` the tokens alone."""
        return context[:, self.spans[-1]] if self.separate else context

    def attend(self, attention: Any, query: Queries, context: Float[Tensor, "B T D"]) -> Float[Tensor, "B S C"]:
        """Return a layer's output over the context."""
        if not self.separate:
            return attend(attention, query, context, self.bias)
        return torch.stack([attend(attention, query, context[:, span]) for span in self.spans]).mean(0)


def joined(beside: Beside, text: Float[Tensor, "_ T D"] | None, tokens: Float[Tensor, "N D"]
           ) -> tuple[Float[Tensor, "B t D"], Groups]:
    """Return the context (one for all scenes, or one for each) of ``tokens`` and what stands beside them."""
    parts: list[tuple[str, Tensor]] = []
    if text is not None:
        parts.append((TEXT, text[:, :beside.text_tokens] if beside.text_tokens else text))
    parts += [(name, states[None].to(tokens)) for name, states in beside.further]  # (T D) -> (1 T D)
    parts.append((TOKENS, tokens[None]))
    scenes = max(len(states) for _, states in parts)
    context = torch.cat([states.expand(scenes, -1, -1) for _, states in parts], 1)
    counts = tuple(states.shape[1] for _, states in parts)
    bias = None
    if text is not None and beside.text_bias and not beside.separate:  # in its own softmax a bias does nothing
        bias = context.new_zeros(context.shape[1])
        bias[:counts[0]] = beside.text_bias
    return context, Groups(tuple(name for name, _ in parts), counts, bias, beside.separate and len(parts) > 1)


@torch.no_grad()
def group_maps(query: Queries, key: Float[Tensor, "B A T d"], scale: float, groups: Groups
               ) -> Float[Tensor, "B G S"]:
    """Return the share of attention that each group gets at each position, a mean over heads; sums to 1 over groups."""
    return torch.cat([torch.stack(_sums((q.float() @ k.float().transpose(-1, -2)) * scale, groups), 1)
                      for q, k in zip(query.split(1), key.split(1), strict=True)])  # an image at a time saves memory


def _sums(logits: Float[Tensor, "B A S T"], groups: Groups) -> list[Float[Tensor, "B S"]]:
    p = (logits if groups.bias is None else logits + groups.bias.float()).softmax(-1)
    return [p[..., span].sum(-1).mean(1) for span in groups.spans]
