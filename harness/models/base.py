"""The interface of a base model: a frozen diffusion model, opened from a folder or the hub."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import harness.models.pipelines.diffusion
    import harness.models.pipelines.parts

# By name: a model's settings, files and fingerprint are read without PyTorch, which these classes' modules import.
Diffusion: TypeAlias = "harness.models.pipelines.diffusion.Diffusion"
Parts: TypeAlias = "harness.models.pipelines.parts.Parts"


@dataclass(frozen=True)
class Model(ABC):
    """A base model's settings; `open` loads its weights.

    >>> from harness.registry import build
    >>> model = build("models", "tiny_sd", {})
    >>> model.up_layers(), model.side_multiple(), model.needs_condition
    (4, 8, False)
    """

    @abstractmethod
    def open(self, precision: str, device: str) -> Diffusion:
        """Return the loaded model with frozen weights; raise UsageError if files are missing or of another model.

        Args:
            precision: Arithmetic of the UNet, a key of ``DTYPES``; tf32 is fp32 here, the trial allows TF32 products.
            device: "cpu" or "cuda".
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash of the weights and their configuration, without loading them."""

    @property
    def is_small(self) -> bool:
        """True if a trial takes less than 2 GB of memory, so that a laptop can run one on each core."""
        return False

    def check_files(self) -> None:
        """Raise UsageError if the model's files are here and cannot be used; loads no weights."""
        return None

    def up_layers(self) -> int | None:
        """Return the number of cross-attention layers of the up path, None if it is unknown before `open`."""
        return None

    def side_multiple(self) -> int | None:
        """Return the number of pixels that must divide a view's side, None if it is unknown before `open`."""
        return None

    @property
    def cameras(self) -> str:
        """The release of Zero123++ whose six cameras the model's views have; "" for a model without cameras."""
        return ""

    @property
    def needs_condition(self) -> bool:
        """True if the view pass needs a condition image."""
        return False

    def keypoints_need_condition(self, concat: bool) -> bool:
        """Return True if the keypoint pass uses the condition image; ``concat``: its tokens follow the text."""
        return False

    def reads_condition(self, which: str) -> bool:
        """Return True if the UNet also runs on the condition image in a pass, "keypoint" or "view"."""
        return False

    @property
    def needs_canvas(self) -> bool:
        """True if the view pass always generates one canvas, regardless of the trial's setting."""
        return False


BASE = Model
