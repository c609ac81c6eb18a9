"""Shared by the shipped models: a diffusers folder in the package, described by its configuration files."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from harness.models.base import Diffusion, Model
from harness.models.loading.files import fingerprint, up_layers
from harness.models.pipelines.sides import multiple_of_folder


@dataclass(frozen=True)
class Shipped(Model):
    """A model trained here, whose weights are in `harness/models/weights`; a laptop runs it."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The diffusers folder."""

    @property
    def is_small(self) -> bool:
        """True: a laptop runs one on each core."""
        return True

    def open(self, precision: str, device: str) -> Diffusion:
        """Return the model: a plain text-to-image model unless overridden."""
        from harness.models.loading.folder import load_parts
        from harness.models.pipelines.diffusion import Diffusion

        return Diffusion(load_parts(self.folder), precision, device)

    def fingerprint(self) -> str:
        """Return the hash of the folder."""
        return fingerprint(self.folder)

    def up_layers(self) -> int | None:
        """Return the number of layers in the folder's configuration."""
        return up_layers(self.folder)

    def side_multiple(self) -> int | None:
        """Return the multiple of the folder's configuration."""
        return multiple_of_folder(self.folder)
