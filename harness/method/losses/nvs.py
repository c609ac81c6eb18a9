"""The view generator should denoise the six views well: the view pass's own error, with the tokens acting on it.

L = mean squared error of the model's prediction (noise or velocity) on the canvas, as the trial measured it.
"""

from dataclasses import dataclass

from harness.errors import UsageError
from harness.method.losses.base import Loss, LossInputs
from harness.ops.tensors import Scalar


@dataclass(frozen=True)
class Nvs(Loss):
    """The view pass's denoising error."""

    def __call__(self, inputs: LossInputs) -> Scalar:
        """Return the unweighted term; raise UsageError if the trial has no view pass."""
        if inputs.view_error is None:
            raise UsageError("losses.nvs: the trial has no view pass; choose a model that has one or drop the term")
        return inputs.view_error
