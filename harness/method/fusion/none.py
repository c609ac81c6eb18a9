"""The baseline: the view pass sees its own context alone; keypoints are found beside the generator."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output


@dataclass(frozen=True)
class NoFusion(Fusion):
    """Context c."""

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return attention over the context."""
        return attend(context)
