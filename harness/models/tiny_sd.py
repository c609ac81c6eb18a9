"""The shipped text-to-image model of figures, trained here; a laptop runs it."""

from dataclasses import dataclass

from harness.models.base import Model
from harness.models.loading.files import up_layers
from harness.models.loading.folder import SHIPPED, fingerprint, load_parts
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.sides import multiple_of_folder

FOLDER = SHIPPED / "tiny_sd"


@dataclass(frozen=True)
class TinySD(Model):
    """See the model card beside the weights."""

    def open(self, precision: str, device: str) -> Diffusion:
        """Load the shipped folder."""
        return Diffusion(load_parts(FOLDER), precision, device)

    def fingerprint(self) -> str:
        """Return the hash of the shipped folder."""
        return fingerprint(FOLDER)

    def up_layers(self) -> int | None:
        """Return what the shipped folder's configuration says."""
        return up_layers(FOLDER)

    def side_multiple(self) -> int | None:
        """Return what the shipped folder's configuration says."""
        return multiple_of_folder(FOLDER)
