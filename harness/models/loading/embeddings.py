"""Further embeddings of a context, such as a sketch encoder's tokens, from a safetensors file."""

import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from harness.errors import UsageError

RESERVED = ("text", "tokens")  # the names of the harness's own groups
Embeddings = tuple[tuple[str, Float[Tensor, "_ D"]], ...]


def read_embeddings(path: str, width: int = 0) -> Embeddings:
    """Return a file's tensors (T D) by name, in the order of their names.

    Raises UsageError naming file, tensor and shape: a tensor that is no list of vectors, not finite, of another width
    than the model's (unless ``width`` is 0), or has the name of a group of the harness.
    """
    embeddings = _read(path, _stamp(path))
    for name, states in embeddings:
        if width and states.shape[1] != width:
            raise UsageError(f"trial.context_file: {path}: {name!r} has vectors of {states.shape[1]} numbers; this "
                             f"model's context has {width}")
    return embeddings


def embeddings_digest(path: str) -> str:
    """Return a hash of the file's content, part of the ids of trials that use it."""
    _stamp(path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError as error:
        raise UsageError(f"trial.context_file: {path}: cannot be read: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _read(path: str, stamp: tuple[int, int]) -> Embeddings:
    try:
        tensors = load(Path(path).read_bytes())
    except (OSError, SafetensorError) as error:
        raise UsageError(f"trial.context_file: {path}: not a safetensors file: {error}") from error
    if not tensors:
        raise UsageError(f"trial.context_file: {path}: holds no tensor")
    for name, states in tensors.items():
        if name in RESERVED or not name.isidentifier():
            raise UsageError(f"trial.context_file: {path}: rename the tensor {name!r}: a group's name is a word of "
                             f"letters, digits and _, other than {' and '.join(RESERVED)}")
        if states.ndim != 2 or not len(states) or not states.is_floating_point() or not bool(states.isfinite().all()):
            raise UsageError(f"trial.context_file: {path}: {name!r} of shape {list(states.shape)}, {states.dtype}: "
                             "expected finite numbers of shape [tokens, width]")
    return tuple((name, tensors[name].to(torch.float32)) for name in sorted(tensors))
