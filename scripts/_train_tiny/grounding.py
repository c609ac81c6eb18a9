"""Cross-attention probabilities during training, and the loss that ties a phrase's attention to its part's mask."""

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from einops import rearrange
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

FULL_BELOW, NONE_ABOVE = 150, 600
LEAST_CELLS = 0.4


class Recording:
    """An attention processor for cross-attention that keeps the head-averaged probabilities (b S T) of each call."""

    def __init__(self, kept: list[Tensor]) -> None:
        """Append to ``kept``, shared by all layers: in the order in which the UNet visits them."""
        self.kept = kept

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 *_: object, **__: object) -> Tensor:
        """Attend with an explicit softmax; the output is what AttnProcessor2_0 gives."""
        assert encoder_hidden_states is not None
        query, key, value = (rearrange(x, "b s (a d) -> b a s d", a=attn.heads) for x in (
            attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)))
        probabilities = (query @ key.mT * attn.scale).softmax(-1)
        self.kept.append(probabilities.mean(1))
        out: Tensor = attn.to_out[0](rearrange(probabilities @ value, "b a s d -> b s (a d)"))
        return out


def record(unet: UNet2DConditionModel) -> list[Tensor]:
    """Make every cross-attention of ``unet`` record; return the list that fills, to be cleared before each pass."""
    kept: list[Tensor] = []
    unet.set_attn_processor({name: Recording(kept) if ".attn2." in name else AttnProcessor2_0()
                             for name in unet.attn_processors})
    return kept


def shares(kept: list[Tensor], member: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of each phrase's attention that falls in its part, (L b P), and which of them count, (b P).

    member (b T P): the tokens of each phrase; masks (b P H W): coverage in [0, 1] at the latents' resolution. A cell
    counts by its coverage relative to the part's best covered cell, so that thin limbs count as much as thick ones.
    Parts that are hidden, or that the caption leaves out, do not count.
    """
    named = member.any(1)
    counted = named & (masks.sum((-1, -2)) >= LEAST_CELLS)
    rows = []
    for probabilities in kept:
        height, width = _size(probabilities.shape[1], masks)
        coverage = adaptive_avg_pool2d(masks, (height, width)).flatten(2)
        relative = coverage / coverage.amax(-1, keepdim=True).clamp_min(1e-6)
        attention = (probabilities @ member).mT
        rows.append((attention * relative).sum(-1) / attention.sum(-1).clamp_min(1e-9))
    return torch.stack(rows), counted


def _size(positions: int, masks: Tensor) -> tuple[int, int]:
    height, width = masks.shape[-2:]
    factor = round((height * width / positions) ** 0.5)
    return height // factor, width // factor


def grounding_loss(kept: list[Tensor], member: Tensor, masks: Tensor, timesteps: Tensor) -> Tensor:
    """Return the mean of -log share, over layers, pictures and parts, weighted by noise level.

    Full weight below timestep 150, none above 600, where limbs can no longer be told apart.
    """
    share, counted = shares(kept, member, masks)
    weight = ((NONE_ABOVE - timesteps.float()) / (NONE_ABOVE - FULL_BELOW)).clamp(0, 1)[:, None] * counted
    return -(share.clamp_min(1e-6).log() * weight).sum() / (weight.sum().clamp_min(1) * len(kept))


def peaks_yx(kept: list[Tensor], member: Tensor, masks: Tensor, side: int = 32) -> Tensor:
    """Return where each phrase's layer-averaged map peaks, (b P 2) as (row, column) in [0, 1], for square maps."""
    maps = []
    for probabilities in kept:
        height, width = _size(probabilities.shape[1], masks)
        grid = rearrange((probabilities @ member).mT, "b p (h w) -> b p h w", h=height, w=width)
        maps.append(interpolate(grid, (side, side), mode="bicubic"))
    best = torch.stack(maps).mean(0).flatten(2).argmax(-1)
    return torch.stack([(best // side + 0.5) / side, (best % side + 0.5) / side], -1)
