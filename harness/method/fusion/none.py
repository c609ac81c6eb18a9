"""The baseline: the view pass gets its own context only; keypoints do not act on the generator."""

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
