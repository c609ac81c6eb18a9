"""StableKeypoints' optimisation step, from its formulas and at its costs, on today's diffusers.

It materialises the softmax of every attention of the up path. In the first four cross-attentions there with at most
32^2 queries it resizes the hidden states to the map's side, projects them again and takes the softmax over all tokens.
Image and warped copy run one after the other, through the whole UNet. Ranking builds a target for each token.
Source: StableKeypoints (Hedlin et al., CVPR 2024), ptp_utils.py, optimize.py, optimize_token.py.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LIMIT, LAYERS, FLOOR = 32**2, 4, 1e-5


@dataclass
class Store:
    """The maps (A R*R N) of the captured layers."""

    side: int
    maps: list[Tensor] = field(default_factory=list)


class Processor:
    """An attention of the up path."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, temb: Tensor | None = None) -> Tensor:
        """Return the layer's output."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        key, value = (attention.head_to_batch_dim(layer(context)) for layer in (attention.to_k, attention.to_v))
        probabilities = _probabilities(attention, hidden_states, key)
        if (encoder_hidden_states is not None and hidden_states.shape[1] <= LIMIT
                and len(self.store.maps) < LAYERS):
            side, rows = self.store.side, int(hidden_states.shape[1] ** 0.5)
            image = hidden_states.unflatten(1, (rows, rows)).permute(0, 3, 1, 2)  # (1 S C) -> (1 C h w)
            larger = F.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
            self.store.maps.append(_probabilities(attention, larger.flatten(2).transpose(1, 2), key))
        projected: Tensor = attention.to_out[0](attention.batch_to_head_dim(probabilities @ value))
        return projected


def _probabilities(attention: Any, hidden: Tensor, key: Tensor) -> Tensor:
    query = attention.head_to_batch_dim(attention.to_q(hidden))
    logits: Tensor = torch.einsum("bid,bjd->bij", query, key) * attention.scale
    return logits.softmax(-1).clone()


def hook(unet: Any, side: int) -> Store:
    """Make a UNet's up path store its maps, and return the store."""
    store = Store(side)
    unet.set_attn_processor({name: Processor(store) if name.startswith("up_blocks.") else processor
                             for name, processor in unet.attn_processors.items()})
    return store


def token_maps(unet: Any, store: Store, noisy: Tensor, tokens: Tensor, timestep: int) -> Tensor:
    """Return every token's map (N R R) of one noisy image (1 4 h w), the mean over layers and heads."""
    store.maps.clear()
    unet(noisy, timestep, encoder_hidden_states=tokens[None])
    layers = [maps.transpose(1, 2).unflatten(2, (store.side, store.side)) for maps in store.maps]  # (A N R R)
    return torch.stack(layers).mean((0, 1))


def divergence(maps: Tensor, sigma: float) -> Tensor:
    """Return how little each map is like a Gaussian at its peak (N)."""
    target = circles(peaks(maps), maps.shape[-1], sigma).flatten(1) + FLOOR  # (N R*R)
    target = target / target.sum(-1, keepdim=True)
    return (target * (target.log() - maps.flatten(1).softmax(-1).log())).sum(-1)


def ranking(maps: Tensor, sigma: float, count: int) -> Tensor:
    """Return the ``count`` tokens whose map is most like a Gaussian."""
    return divergence(maps, sigma).topk(count, largest=False).indices


def peaks(maps: Tensor) -> Tensor:
    """Return (row, column) of the centres of the maps' largest pixels (N 2), in pixels."""
    side = maps.shape[-1]
    flat = maps.detach().flatten(1).argmax(-1)
    return torch.stack([flat // side, flat % side], -1) + 0.5


def circles(centres: Tensor, side: int, sigma: float) -> Tensor:
    """Return Gaussians of peak 1 (N R R)."""
    steps = torch.arange(side, device=centres.device) + 0.5
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"))  # (2 R R)
    return torch.exp(-(grid[None] - centres[:, :, None, None]).square().sum(1) / (2 * sigma**2))


def furthest(maps: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Return ``count`` candidates: the furthest pair, then one by one the one furthest from those chosen."""
    points = peaks(maps[candidates])
    best, chosen = -1.0, [0, 1]
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            apart = float((points[i] - points[j]).square().sum().sqrt())
            if apart > best:
                best, chosen = apart, [i, j]
    while len(chosen) < count:
        best, found = -1.0, -1
        for i in range(len(points)):
            if i not in chosen:
                nearest = min(float((points[i] - points[j]).square().sum().sqrt()) for j in chosen)
                if nearest > best:
                    best, found = nearest, i
        chosen.append(found)
    return candidates[torch.tensor(chosen, device=candidates.device)]


def sharpening(maps: Tensor, sigma: float) -> Tensor:
    """Return the mean squared distance of maps (K R R) from Gaussians at their peaks."""
    return F.mse_loss(maps, circles(peaks(maps), maps.shape[-1], sigma))


def equivariance(maps: Tensor, warped: Tensor, theta: Tensor) -> Tensor:
    """Return the mean squared distance of maps from the unwarped maps of the copy that ``theta`` (2 3) made."""
    square = torch.cat([theta, theta.new_tensor([[0.0, 0.0, 1.0]])])
    grid = F.affine_grid(torch.inverse(square)[None, :2], [1, len(warped), *warped.shape[-2:]], align_corners=False)
    back = F.grid_sample(warped[None], grid, padding_mode="zeros", align_corners=False)[0]
    return F.mse_loss(maps, back)


@dataclass(frozen=True)
class Found:
    """The loss of one step, with its tokens, every token's map in the image, and how little it is like a Gaussian."""

    loss: Tensor
    chosen: Tensor
    maps: Tensor
    divergence: Tensor


def loss(unet: Any, store: Store, noisy: tuple[Tensor, Tensor], theta: Tensor, tokens: Tensor, *, sigma: float,
         candidates: int, keypoints: int, timestep: int = 0, best: Tensor | None = None) -> Found:
    """Return the loss of an image and its warped copy, with the weights 100 and 1000.

    ``best`` replaces the candidates that the ranking finds.
    """
    maps = token_maps(unet, store, noisy[0], tokens, timestep)
    warped = token_maps(unet, store, noisy[1], tokens, timestep)
    divergences = divergence(maps, sigma)
    best = divergences.topk(min(candidates, len(tokens)), largest=False).indices if best is None else best
    chosen = furthest(warped, best, keypoints)
    total = 100 * sharpening(maps[chosen], sigma) + 1000 * equivariance(maps[chosen], warped[chosen], theta)
    return Found(total, chosen, maps, divergences)
