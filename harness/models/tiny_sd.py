"""The shipped text-to-image model of figures, trained here; a laptop runs it."""

from dataclasses import dataclass
from pathlib import Path

from harness.models.loading.files import SHIPPED
from harness.models.loading.shipped import Shipped

FOLDER = SHIPPED / "tiny_sd"


@dataclass(frozen=True)
class TinySD(Shipped):
    """See the model card beside the weights."""

    @property
    def folder(self) -> Path:
        """The shipped folder."""
        return FOLDER
