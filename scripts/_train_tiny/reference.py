"""Zero123++'s reference attention: self-attention that also looks at what the condition's pass fed to it."""

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, cat

from _train_tiny.attention import attend


class Reference:
    """An attention processor for one self-attention: stores its input, or attends to it besides its own tokens."""

    def __init__(self) -> None:
        """Start plain: neither storing nor reading."""
        self.mode = "plain"
        self.stored: Tensor | None = None

    def __call__(self, attn: Attention, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        """Attend; keys and values come from [own tokens; stored tokens] in mode "read"."""
        seen = hidden_states
        if self.mode == "write":
            self.stored = hidden_states
        elif self.mode == "read":
            assert self.stored is not None
            seen = cat([hidden_states, self.stored], 1)
        query, key, value = (rearrange(x, "b s (a d) -> b a s d", a=attn.heads)
                             for x in (attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen)))
        out: Tensor = attn.to_out[0](rearrange(attend(query, key, value), "b a s d -> b s (a d)"))
        return out


def refer(unet: UNet2DConditionModel) -> list[Reference]:
    """Give every self-attention of ``unet`` a `Reference`, leave its cross-attentions as they are, return them."""
    processors = {name: Reference() if ".attn1." in name else processor
                  for name, processor in unet.attn_processors.items()}
    references = [processor for processor in processors.values() if isinstance(processor, Reference)]
    unet.set_attn_processor(processors)  # which empties the dictionary
    return references


def set_mode(references: list[Reference], mode: str) -> None:
    """Switch all to "write", "read" or "plain"; "plain" forgets what was stored."""
    for reference in references:
        reference.mode = mode
        if mode == "plain":
            reference.stored = None
