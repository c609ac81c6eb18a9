"""What a model is made of, and what it is given: the pieces of a diffusers folder, and an encoded condition image."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Parts:
    """The pieces of a diffusers folder; the vision encoder is Zero123++'s."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    vision_encoder: Any = None
    ramp: tuple[float, ...] = ()
    condition_size: int = 0  # side of the condition image in pixels; 0: as it comes
    clip_size: int = 224
    clip_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    clip_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Condition:
    """The view pass's inputs from the condition image, encoded once per scene.

    ``latents`` of the image (not scaled by the VAE's factor) and its global ``embedding``; None without an image.
    """

    latents: Float[Tensor, "B C h w"] | None = None
    embedding: Float[Tensor, "B D"] | None = None

    def __getitem__(self, index: Any) -> "Condition":
        return Condition(*(None if part is None else part[index] for part in (self.latents, self.embedding)))

    def repeated(self, count: int) -> "Condition":
        """Return the scenes repeated: first those of the views, then those of their warped copies."""
        return self if count == 1 else Condition(*(
            None if part is None else part.repeat(count, *[1] * (part.ndim - 1))  # (B ...) -> (count*B ...)
            for part in (self.latents, self.embedding)))
