"""Zero123++: six views of one object on one canvas from one photograph, tokens 1024 wide, predicts velocity."""

from dataclasses import dataclass

from harness.models.base import Diffusion, Parts
from harness.models.loading.published import ZERO123PLUS_RELEASES, Published, Release
from harness.models.pipelines.switches import Switches
from harness.registry import knob


@dataclass(frozen=True)
class Zero123PlusCanvas(Switches, Published):
    """Shi et al., arXiv 2310.15110; the weights' licence is CC-BY-NC 4.0."""

    version: str = knob("v1.2", "v1.2: views from 20 and -10 degrees; v1.1: from 30 and -20",
                        choices=tuple(ZERO123PLUS_RELEASES))

    @property
    def release(self) -> Release:
        """Return the authors' repository of the version."""
        return ZERO123PLUS_RELEASES[self.version]

    @property
    def cameras(self) -> str:
        """Each version has its own cameras."""
        return self.version

    def build(self, parts: Parts, precision: str, device: str) -> Diffusion:
        """Return Zero123++ with its switches."""
        from harness.models.pipelines.zero123plus import Zero123Plus

        return Zero123Plus(parts, precision, device, self)
