"""A session, shared by the trials of one process: the loaded model, encoded scenes, readouts, unguided predictions."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from harness import registry
from harness.config.spec import RESULTS_VERSION, Choice, TrialSpec
from harness.errors import UsageError
from harness.method.encode import Encoder
from harness.method.fingerprints import dataset, fingerprints
from harness.method.generate import Unguided
from harness.method.readings import Readings
from harness.models.pipelines.diffusion import Diffusion


class Session:
    """The model, encoded scenes, readouts and unguided predictions that trials of one process share."""

    def __init__(self, model: Choice, data: Choice, precision: str) -> None:
        source = registry.build("models", model.name, model.knobs)
        weights = source.fingerprint()
        self.model: Diffusion = source.open(precision, "cuda" if torch.cuda.is_available() else "cpu")
        if source.fingerprint() != weights:
            raise UsageError(f"model {model.name!r}: its weights changed while they were being read; run again")
        self.data = dataset(data)
        # The cache's key: everything that changes an encoded scene.
        device, scenes = self.model.device.type, self.data.fingerprint()
        key = repr((RESULTS_VERSION, device, model.to_dict(), weights, data.name, scenes))
        self.encoder = Encoder(self.model, self.data, key)
        self.readings = Readings(self.encoder, key)
        self.unguided: Unguided = {}

    def images(self, count: int) -> Tensor:
        """Return the true views (M V 3 h w) of the first test scenes."""
        return torch.stack([self.data.scene("test", index).views for index in range(count)])


def open_session(spec: TrialSpec) -> tuple[Session, dict[str, str]]:
    """Return the process's session for a trial's model, data and precision, and their fingerprints."""
    _set_exact(True)  # before the first image is encoded: PyTorch's default allows TF32 convolutions
    hashes = fingerprints(spec)
    model, data = _hashable(spec.model), _hashable(spec.data)
    return _session(model, data, spec.precision, hashes["weights"], hashes["data"]), hashes


@lru_cache(maxsize=2)
def _session(model: tuple[Any, ...], data: tuple[Any, ...], precision: str, weights: str, scenes: str) -> Session:
    """Open a model and its data once, and again if their fingerprints change."""
    gc.collect()  # free the model of an evicted session before the next one loads
    return Session(Choice(model[0], dict(model[1])), Choice(data[0], dict(data[1])), precision)


@contextmanager
def arithmetic(*, exact: bool) -> Iterator[None]:
    """Forbid TF32 in matrix products and convolutions, or allow it, until the block ends; then it is forbidden."""
    _set_exact(exact)
    try:
        yield
    finally:
        _set_exact(True)


def _set_exact(exact: bool) -> None:
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cudnn.allow_tf32 = not exact


def _hashable(choice: Choice) -> tuple[Any, ...]:
    return choice.name, tuple(choice.knobs.items())
