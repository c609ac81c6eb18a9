"""Splits, rendered and encoded once: no trial encodes an image that another one has encoded."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.data._base import Dataset, Scene
from harness.geometry import Cameras
from harness.models._diffusion import Condition, Diffusion
from harness.plugins import UsageError
from harness.tensors import generator
from harness.warps import random_affine, warp

T = TypeVar("T")
Warps = tuple[int, float, float, float]  # copies per image, degrees, scale, translate


@dataclass(frozen=True)
class Split:
    """M scenes of one split: latents of their views and of A warped copies, and what is known about them."""

    latents: Float[Tensor, "M V C h w"]
    truth_yx: Float[Tensor, "M V K 2"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]
    size_px: tuple[int, int]
    condition: Condition
    warped: Float[Tensor, "M A V C h w"] | None = None
    theta: Float[Tensor, "M A V 2 3"] | None = None
    matrices: Float[Tensor, "M V 3 4"] | None = None
    directions: Float[Tensor, "M V 3"] | None = None
    points_xyz: Float[Tensor, "M K 3"] | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def cameras(self, scenes: Sequence[int]) -> tuple[Cameras, ...] | None:
        """Return the cameras of some scenes, None where the dataset has none."""
        if self.matrices is None or self.directions is None:
            return None
        return tuple(Cameras(self.matrices[i], self.directions[i]) for i in scenes)


class Encoder:
    """Encodes splits of a dataset with a model, remembering them in memory and in the cache folder."""

    def __init__(self, model: Diffusion, dataset: Dataset, key: str) -> None:
        self.model, self.dataset, self.key = model, dataset, key
        self.split = lru_cache(maxsize=8)(self._split)

    def _split(self, name: str, count: int, warps: Warps | None = None) -> Split:
        """Return the first ``count`` scenes of a split, with warped copies where ``warps`` asks for them."""
        size = self.dataset.size(name)
        if size is not None and count > size:
            raise UsageError(f"trial.{name}_scenes: {count} asked for; the data's split {name!r} has {size}")
        text = repr((self.key, name, count, warps))
        path = cache_folder() / "latents" / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.safetensors"
        stored = _read(path)
        if stored is None:
            stored = self._encode([self.dataset.scene(name, index) for index in range(count)], warps)
            _write(path, stored)
        return _restore(stored, self.model.device)

    def _encode(self, scenes: Sequence[Scene], warps: Warps | None) -> dict[str, Tensor]:
        first = scenes[0]
        stored: dict[str, Tensor] = {
            "latents": torch.cat([self.model.encode(scene.views[None]) for scene in scenes]),
            "truth_yx": torch.stack([scene.points_yx for scene in scenes]),
            "visible": torch.stack([scene.visible for scene in scenes]),
            "normaliser_px": torch.stack([scene.normaliser_px for scene in scenes]),
            "size_px": torch.tensor(first.views.shape[-2:]),
        }
        conditions = _of_all("condition image", [scene.condition for scene in scenes])
        if conditions is not None and self.model.needs_condition:
            condition = self.model.encode_condition(torch.stack(conditions))
            assert condition.latents is not None
            assert condition.embedding is not None
            stored |= {"condition": condition.latents, "embedding": condition.embedding}
        cameras = _of_all("cameras", [scene.cameras for scene in scenes])
        if cameras is not None:
            stored["matrices"] = torch.stack([camera.matrices for camera in cameras])
            stored["directions"] = torch.stack([camera.directions for camera in cameras])
        points_xyz = _of_all("3D keypoints", [scene.points_xyz for scene in scenes])
        if points_xyz is not None:
            stored["points_xyz"] = torch.stack(points_xyz)
        if warps is not None:
            stored["warped"], stored["theta"] = self._warped(scenes, warps)
        return {name: value.cpu().contiguous() for name, value in stored.items()}

    def _warped(self, scenes: Sequence[Scene], warps: Warps) -> tuple[Tensor, Tensor]:
        copies, degrees, scale, translate = warps
        latents, thetas = [], []
        for scene in scenes:
            # Seeded by the scene, not by the trial: the bank is shared by all trials.
            theta = random_affine(generator("warps", scene.name), copies * len(scene.views), degrees, scale, translate)
            theta = theta.unflatten(0, (copies, len(scene.views)))
            images = warp(scene.views.expand(copies, -1, -1, -1, -1), theta)
            latents.append(self.model.encode(images))
            thetas.append(theta)
        return torch.stack(latents), torch.stack(thetas)


def _of_all(what: str, parts: Sequence[T | None]) -> list[T] | None:
    """Return what every scene has, None where none has it; raise UsageError where only some have."""
    known = [part for part in parts if part is not None]
    if known and len(known) < len(parts):
        missing = next(index for index, part in enumerate(parts) if part is None)
        raise UsageError(f"data: scene {missing} has no {what}, others have")
    return known or None


def cache_folder() -> Path:
    """Return where encoded scenes are kept: HARNESS_CACHE, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"
    return Path(os.environ.get("HARNESS_CACHE") or default)


def _restore(stored: dict[str, Tensor], device: torch.device) -> Split:
    rows, columns = stored["size_px"].tolist()
    moved = {name: value.to(device) for name, value in stored.items() if name in ("latents", "warped", "theta")}
    condition = Condition(*(None if k not in stored else stored[k].to(device) for k in ("condition", "embedding")))
    known = {k: stored.get(k) for k in ("truth_yx", "visible", "normaliser_px", "matrices", "directions", "points_xyz")}
    return Split(size_px=(rows, columns), condition=condition, **(known | moved))  # type: ignore[arg-type]


def _read(path: Path) -> dict[str, Tensor] | None:
    """Return a cached split, None where there is none or it is damaged; a damaged one is made again."""
    if not path.is_file():
        return None
    try:
        stored: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError):
        return None
    return stored


def _write(path: Path, stored: dict[str, Tensor]) -> None:
    """Keep a split; a cache that cannot be written costs time, not results."""
    partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(stored, partial)
        partial.replace(path)
    except (OSError, SafetensorError):
        with suppress(OSError):
            partial.unlink(missing_ok=True)
