"""Muon: momentum whose every matrix is made orthogonal, so that no direction of a weight is left behind."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration of Jordan et al. 2024
RMS = 0.2  # root mean square of an update of AdamW, to which Liu et al. 2025 scale


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return the nearest orthogonal matrix, roughly: singular values end between 0.7 and 1.2."""
    a, b, c = COEFFICIENTS
    wide = matrix.bfloat16() if matrix.shape[0] <= matrix.shape[1] else matrix.bfloat16().T
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(STEPS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide.to(matrix) if matrix.shape[0] <= matrix.shape[1] else wide.T.to(matrix)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; kernels of convolutions count as matrices, one row for each output channel."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        """Take parameters of two or more dimensions."""
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.mul_(MOMENTUM).add_(parameter.grad)
                matrix = parameter.grad.add(momentum, alpha=MOMENTUM).flatten(1)
                scale = RMS * max(matrix.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalised(matrix).view_as(parameter), alpha=-group["lr"] * scale)
