"""The shipped six-view model of figures, a small Zero123++, trained here."""

from dataclasses import dataclass
from pathlib import Path

from harness.models.base import Diffusion
from harness.models.loading.files import SHIPPED
from harness.models.loading.shipped import Shipped
from harness.models.pipelines.switches import Switches

FOLDER = SHIPPED / "tiny_zero123plus"


@dataclass(frozen=True)
class TinyZero123Plus(Switches, Shipped):
    """See the model card beside the weights."""

    @property
    def folder(self) -> Path:
        """The shipped folder."""
        return FOLDER

    def open(self, precision: str, device: str) -> Diffusion:
        """Return Zero123++ with its switches."""
        from harness.models.loading.folder import load_parts
        from harness.models.pipelines.zero123plus import Zero123Plus

        return Zero123Plus(load_parts(FOLDER, zero123plus=True), precision, device, self)

    @property
    def cameras(self) -> str:
        """The figures of its training have v1.2's cameras."""
        return "v1.2"
