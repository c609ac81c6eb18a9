"""Fingerprints of a trial's data and weights, which its id contains; no model is loaded and PyTorch is not imported."""

import hashlib

from harness import registry
from harness.config.spec import Choice, TrialSpec
from harness.data.base import Dataset


def fingerprints(spec: TrialSpec) -> dict[str, str]:
    """Return the fingerprints of data and weights, part of the trial's id; loads no model."""
    weights = registry.build("models", spec.model.name, spec.model.knobs).fingerprint()
    if spec.context_file:  # its content decides the result as the weights do
        from harness.models.loading.embeddings import embeddings_digest  # imports PyTorch to read such a file

        weights = hashlib.sha256(f"{weights} {embeddings_digest(spec.context_file)}".encode()).hexdigest()[:12]
    return {"data": dataset(spec.data).fingerprint(), "weights": weights}


def dataset(choice: Choice) -> Dataset:
    """Build the dataset that a spec names."""
    built: Dataset = registry.build("data", choice.name, choice.knobs)
    return built
