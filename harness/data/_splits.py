"""How published lists become the splits optimise, fit and test."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from harness.ops.tensors import generator


def drawn(rows: NDArray[np.int64], data: str, kind: str) -> NDArray[np.int64]:
    """Return a list's rows in a random order that is the same everywhere, for each dataset and kind of list its own."""
    shuffled: NDArray[np.int64] = rows[_order(data, kind, len(rows))]
    return shuffled


def own_half(shuffled: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    """Return `optimise`'s or `fit`'s half of a training list: every second row."""
    return shuffled[0 if split == "optimise" else 1::2]


@lru_cache(maxsize=32)
def _order(data: str, kind: str, count: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = torch.randperm(count, generator=generator("split", data, kind)).numpy()
    return order
