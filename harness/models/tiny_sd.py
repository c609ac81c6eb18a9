"""The shipped text-to-image model of figures, trained here; a laptop runs it."""

from dataclasses import dataclass

from harness.models._diffusion import Diffusion
from harness.models._files import up_layers
from harness.models._folder import SHIPPED, fingerprint, load_parts
from harness.models._sides import multiple_of_folder
from harness.models.base import Model

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
