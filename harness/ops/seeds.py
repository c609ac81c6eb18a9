"""Seeds of random streams, one for each use of randomness; without PyTorch, which `ops.tensors.generator` needs."""

import hashlib


def seed_of(*names: object) -> int:
    """Return a seed of 63 bits, a hash of the names.

    >>> seed_of("figures", "names")
    7253801460165948451
    """
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
