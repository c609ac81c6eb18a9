"""Zero123++'s UNet in a plain pipeline, without reference, image embedding or scaling."""

from dataclasses import dataclass, replace

from harness.models.base import Diffusion, Parts
from harness.models.loading.published import ZERO123PLUS_RELEASES, Published, Release
from harness.registry import knob


@dataclass(frozen=True)
class Zero123PlusWeights(Published):
    """The weights of `zero123plus`, used like Stable Diffusion's; no vision encoder is loaded."""

    version: str = knob("v1.2", "which release's UNet", choices=tuple(ZERO123PLUS_RELEASES))

    @property
    def release(self) -> Release:
        """Return the plain parts of the authors' repository of the version."""
        release = ZERO123PLUS_RELEASES[self.version]
        return release._replace(zero123plus=False, expected=replace(release.expected, name="zero123plus_weights"))

    @property
    def cameras(self) -> str:
        """Each version has its own cameras."""
        return self.version

    def build(self, parts: Parts, precision: str, device: str) -> Diffusion:
        """Return the UNet in a plain pipeline."""
        from harness.models.pipelines.zero123plus import UNetAlone

        return UNetAlone(parts, precision, device)
