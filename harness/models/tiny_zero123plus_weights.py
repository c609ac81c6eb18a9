"""The shipped six-view model's UNet in a plain pipeline, without reference or scaling."""

from dataclasses import dataclass
from pathlib import Path

from harness.models.base import Diffusion
from harness.models.loading.files import SHIPPED
from harness.models.loading.shipped import Shipped

FOLDER = SHIPPED / "tiny_zero123plus"


@dataclass(frozen=True)
class TinyZero123PlusWeights(Shipped):
    """See the model card beside the weights."""

    @property
    def folder(self) -> Path:
        """The shipped folder."""
        return FOLDER

    def open(self, precision: str, device: str) -> Diffusion:
        """Return the UNet in a plain pipeline."""
        from harness.models.loading.folder import load_parts
        from harness.models.pipelines.zero123plus import UNetAlone

        return UNetAlone(load_parts(FOLDER), precision, device)

    @property
    def cameras(self) -> str:
        """The figures of its training have v1.2's cameras."""
        return "v1.2"
