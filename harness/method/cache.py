"""Files of tensors that trials share: whole or absent, and never older than what they were made from."""

import hashlib
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness import user_cache


def path(kind: str, key: str) -> Path:
    """Return the file of a key, the text of everything that decides its tensors."""
    return user_cache.folder() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.safetensors"


def read(path: Path, stamp: str) -> dict[str, Tensor] | None:
    """Return the cached tensors, None if they are missing, damaged, or older than what they were made from."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
    except (OSError, SafetensorError):
        return None
    return stored if metadata.get("stamp") == stamp and metadata.get("sum") == _checksum(stored) else None


def write(path: Path, stored: dict[str, Tensor], stamp: str) -> None:
    """Write tensors to the cache; if that fails the trial goes on without."""
    partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(stored, partial, {"stamp": stamp, "sum": _checksum(stored)})
        partial.replace(path)
    except (OSError, SafetensorError):
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _checksum(stored: dict[str, Tensor]) -> str:
    """Return a hash of the tensors' bytes; it finds flipped bits, which safetensors does not."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(stored):
        digest.update(name.encode())
        digest.update(stored[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
