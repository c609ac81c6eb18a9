"""Strategy 3: the keypoints' attention map gates each cross-attention's output."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from harness.method.fusion.base import Attend, Context, Fusion, Guidance, Output
from harness.registry import knob


@dataclass(frozen=True)
class Spatial(Fusion):
    """Output times 1 + alpha (m - 1), m the keypoints' map with spatial mean 1."""

    alpha: float = knob(0.3, "how far the map moves the output at strength 1", low=0.0, high=1.0)
    form: str = knob("gate", "gate the output, or literally: probabilities times 1 + alpha / S, softmax again",
                     choices=("gate", "literal"))

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: Mapping[str, Tensor]) -> Output:
        """Return the gated output."""
        alpha = self.alpha * self.strength
        if self.form == "literal":
            # The mean over space of a map with sum 1 is 1 / S for every keypoint position: it carries no guidance, and
            # the second softmax flattens the first one's probabilities.
            factor = 1 + alpha / guidance.maps.shape[-1]
            return attend(context, change=lambda probabilities: (factor * probabilities).softmax(-1))
        output = attend(context)
        mean_map = guidance.maps.mean(1)[..., None].to(output)  # (B K S) -> (B S 1)
        return output * (1 + alpha * (mean_map.shape[1] * mean_map - 1))
