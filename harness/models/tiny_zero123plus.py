"""The shipped six-view model of figures, Zero123++ in small, trained here."""

from dataclasses import dataclass

from harness.models.base import Model
from harness.models.loading.files import up_layers
from harness.models.loading.folder import SHIPPED, fingerprint, load_parts
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.sides import multiple_of_folder
from harness.models.pipelines.zero123plus import Switches, Zero123Plus

FOLDER = SHIPPED / "tiny_zero123plus"


@dataclass(frozen=True)
class TinyZero123Plus(Switches, Model):
    """See the model card beside the weights."""

    def open(self, precision: str, device: str) -> Diffusion:
        """Load the shipped folder."""
        return Zero123Plus(load_parts(FOLDER, zero123plus=True), precision, device, self)

    def fingerprint(self) -> str:
        """Return the hash of the shipped folder."""
        return fingerprint(FOLDER)

    def up_layers(self) -> int | None:
        """Return what the shipped folder's configuration says."""
        return up_layers(FOLDER)

    def side_multiple(self) -> int | None:
        """Return what the shipped folder's configuration says."""
        return multiple_of_folder(FOLDER)

    @property
    def cameras(self) -> str:
        """The figures that it was trained on are seen by v1.2's cameras."""
        return "v1.2"
