"""Published lists -> the splits optimise, fit and test."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def shuffle_rows(rows: NDArray[np.int64], data: str, kind: str) -> NDArray[np.int64]:
    """Return a list's rows in a fixed random order, which depends on the dataset's name and the kind of list alone."""
    shuffled: NDArray[np.int64] = rows[_order(data, kind, len(rows))]
    return shuffled


def take_half(shuffled: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    """Return the half of a training list that belongs to `optimise` or to `fit`: every second row."""
    return shuffled[0 if split == "optimise" else 1::2]


@lru_cache(maxsize=32)
def _order(data: str, kind: str, count: int) -> NDArray[np.int64]:
    import torch  # here, as the number of a split's scenes does not depend on their order

    from harness.ops.tensors import generator

    order: NDArray[np.int64] = torch.randperm(count, generator=generator("split", data, kind)).numpy()
    return order
