"""Axis legend and shape aliases, used in every annotation and shape comment.

B scenes, V views, N tokens, K selected tokens or annotated keypoints, J kept tokens, T text tokens, D token width,
H W map rows and columns, S = H * W, L captured layers, A attention heads, P steps, h w image rows and columns.

Points are ``points_yx``: (row, column) in [0, 1], pixel i of n centred at (i + 0.5) / n. Names that hold pixels end in
``_px``. Images are float32 in [0, 1].
"""

import torch
from jaxtyping import Float
from torch import Tensor

from harness.ops.seeds import seed_of

Images = Float[Tensor, "B V 3 h w"]
Latents = Float[Tensor, "B V C hl wl"]
Maps = Float[Tensor, "B V N H W"]
Scalar = Float[Tensor, ""]


def generator(*names: object) -> torch.Generator:
    """Return a CPU generator seeded by a hash of the names, so that each use of randomness has its own stream."""
    return torch.Generator().manual_seed(seed_of(*names))
