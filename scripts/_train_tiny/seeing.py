"""Teach the vision encoder to see before it conditions a painter: to hold in its embedding what the six views show.

A published Zero123++ starts from a vision encoder that has seen much. One that learns only through the UNet gets a
weak signal at the price of a whole canvas (after 9500 of them the embeddings of two photographs were all but equal);
when it has to tell a small head what the views are, it learns from hundreds of photographs a second.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from transformers import CLIPVisionModelWithProjection

from _train_tiny.loop import Training
from _train_tiny.zero123plus import Canvases, clip_pixels

BATCH = 32
HIDDEN = 384
LR = 1e-3
RECOLOURED = 0.5


def build_head(width: int, numbers: int) -> nn.Sequential:
    """Return an untrained head from an embedding of ``width`` to the ``numbers`` of six small views."""
    torch.manual_seed(16)
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, numbers))


def recoloured(images: Tensor, orders: Tensor) -> Tensor:
    """Return images (b ... 3 h w) with the three channels of each in its own order (b 3)."""
    return torch.stack([image.index_select(-3, order) for image, order in zip(images, orders, strict=True)])


def _orders(count: int, draws: torch.Generator) -> Tensor:
    """Return orders of the channels (count 3), half of them as they are: new colours for the same shapes."""
    drawn = torch.rand(count, 3, generator=draws).argsort(-1)
    return torch.where(torch.rand(count, 1, generator=draws) < RECOLOURED, drawn, torch.arange(3))


def _told(vision: nn.Module, head: nn.Module, pixels: Tensor) -> Tensor:
    return head(vision(clip_pixels(pixels.float() / 255)).image_embeds)


@torch.no_grad()
def explained(vision: nn.Module, head: nn.Module, data: Canvases, mean: Tensor) -> float:
    """Return the share of the small views' squared distance from their mean that the head removes."""
    told = torch.cat([_told(vision, head, pixels) for pixels in data.pixels.split(64)])
    truth = (data.small.float() / 255 - mean).flatten(1)
    return round(1 - float((told - truth).square().mean() / truth.square().mean()), 4)


def train(folder: Path, vision: CLIPVisionModelWithProjection, data: Canvases, held_out: Canvases, minutes: float
          ) -> None:
    """Train ``vision`` in place for ``minutes`` to tell six small views from the photograph."""
    mean = data.small.float().mean(0) / 255
    head = build_head(vision.config.projection_dim, mean.numel())
    run = Training(folder, "seeing", {"vision": vision, "head": head}, minutes=minutes, lr=LR, weight_decay=0.05)
    draws = torch.Generator().manual_seed(17 + run.step)
    while not run.done:
        rows, orders = torch.randint(len(data), (BATCH,), generator=draws), _orders(BATCH, draws)
        told = _told(vision, head, recoloured(data.pixels[rows], orders))
        truth = recoloured(data.small[rows], orders).float() / 255 - mean
        run.update(100 * mse_loss(told, truth.flatten(1)))
        if run.step % 200 == 0:
            run.swap()
            run.log(held_out=explained(vision, head, held_out, mean))
            run.swap()
            run.save()
    run.save()
    run.swap()
    run.log(held_out=explained(vision, head, held_out, mean))
