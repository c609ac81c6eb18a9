"""Stable Diffusion 1.5: text to image at 512 px, tokens 768 wide, predicts noise."""

from dataclasses import dataclass

from harness.models.loading.check import Expected
from harness.models.loading.published import Published, Release


@dataclass(frozen=True)
class SD15(Published):
    """Rombach et al., CVPR 2022; the community's copy of the withdrawn original. Licence: CreativeML OpenRAIL-M."""

    @property
    def release(self) -> Release:
        """Return the hub's copy."""
        return Release("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
                       Expected("sd15", 768, "epsilon"))
