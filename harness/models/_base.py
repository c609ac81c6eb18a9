"""What a base model gives: a frozen diffusion model opened from a folder or a hub name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from harness.models._diffusion import Diffusion


@dataclass(frozen=True)
class Model(ABC):
    """A base model's name and where its weights are."""

    @abstractmethod
    def open(self, precision: str, device: str) -> Diffusion:
        """Load the weights, frozen, in the arithmetic that ``precision`` names."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash of the weights and their configuration, without loading them."""


BASE = Model
