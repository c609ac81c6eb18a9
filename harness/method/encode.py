"""The splits of a dataset, rendered and encoded once, and cached for all trials."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.data._scene import Scene
from harness.data.base import Dataset, Rules
from harness.errors import UsageError
from harness.method import cache
from harness.models.pipelines import sides
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.parts import Condition
from harness.ops.geometry import Cameras
from harness.ops.tensors import generator
from harness.ops.warps import random_affine, warp

T = TypeVar("T")
Warps = tuple[int, float, float, float]  # copies per image, degrees, scale, translate
CHUNK = 16  # scenes that are encoded and kept together
WARPED = ("warped", "theta")  # parts of a split that its first scenes alone may have


@dataclass(frozen=True)
class Split:
    """M scenes of one split: latents of their views, labels and cameras; A warped copies of the first W scenes."""

    latents: Float[Tensor, "M V C h w"]
    truth_yx: Float[Tensor, "M V K 2"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]
    size_px: tuple[int, int]
    condition: Condition
    warped: Float[Tensor, "W A V C h w"] | None = None
    theta: Float[Tensor, "W A V 2 3"] | None = None
    matrices: Float[Tensor, "M V 3 4"] | None = None
    directions: Float[Tensor, "M V 3"] | None = None
    points_xyz: Float[Tensor, "M K 3"] | None = None
    rules: Rules = field(default_factory=Rules)

    def __len__(self) -> int:
        return len(self.latents)

    def part(self, rows: slice) -> "Split":
        """Return some of the scenes."""
        tensors = {f.name: getattr(self, f.name)[rows] for f in fields(self)
                   if isinstance(getattr(self, f.name), Tensor | Condition)}
        return replace(self, **tensors)

    def cameras(self, scenes: Sequence[int]) -> tuple[Cameras, ...] | None:
        """Return the cameras of some scenes, None if the dataset has none."""
        if self.matrices is None or self.directions is None:
            return None
        return tuple(Cameras(self.matrices[i], self.directions[i]) for i in scenes)


class Encoder:
    """Encodes splits of a dataset with a model and caches them, in memory and in the cache folder.

    On disk a split is stored in chunks of CHUNK scenes, so that trials with different numbers of scenes share them and
    one chunk's images only are in memory. A chunk that is damaged, or older than its images, is encoded again.
    """

    def __init__(self, model: Diffusion, dataset: Dataset, key: str) -> None:
        self.model, self.dataset, self.key = model, dataset, key
        self.split = lru_cache(maxsize=8)(self._split)
        self.stamp = lru_cache(maxsize=8)(self._stamp)

    def _split(self, name: str, count: int, warps: Warps | None = None, copied: int = 0) -> Split:
        """Return the first ``count`` scenes of a split, with warped copies unless ``warps`` is None.

        Only the first ``copied`` scenes have copies; 0: all.
        """
        size = self.dataset.size(name)
        if size is not None and count > size:
            raise UsageError(f"trial.{name}_scenes: {count} asked for; the data's split {name!r} has {size}")
        whole: dict[str, Tensor] = {}
        lengths = {} if warps is None else dict.fromkeys(WARPED, min(copied or count, count))
        for start in range(0, count, CHUNK):
            rows = range(start, min(start + CHUNK, count))
            with_copies = start < lengths.get("warped", 0)
            part = self._chunk(name, rows, warps if with_copies else None)
            if not start:
                whole = {k: v if k == "size_px" else v.new_empty(lengths.get(k, count), *v.shape[1:])
                         for k, v in part.items()}
            filled = {k: v for k, v in whole.items() if with_copies or k not in WARPED}
            _check_same_contents(filled, part, rows)
            for key in filled.keys() - {"size_px"}:
                space = whole[key][start : rows.stop]
                space[:] = part[key][: len(space)]
        return _restore(whole, self.model.device, self.dataset.rules)

    def _stamp(self, name: str, count: int) -> str:
        """Return a hash of the state of the first ``count`` scenes' files; it changes when one of them does."""
        stamps = [self.dataset.stamp(name, index) for index in range(count)]
        return hashlib.sha256(repr(stamps).encode()).hexdigest()

    def _chunk(self, name: str, rows: range, warps: Warps | None) -> dict[str, Tensor]:
        """Return the encoded scenes ``rows`` of a split, from the cache or encoded now."""
        text = repr((self.key, name, rows.start, rows.stop, warps))
        path = cache.path("latents", text)
        stamp = hashlib.sha256(repr([self.dataset.stamp(name, index) for index in rows]).encode()).hexdigest()
        stored = cache.read(path, stamp)
        if stored is None:
            stored = self._encode([self.dataset.scene(name, index) for index in rows], warps)
            cache.write(path, stored, stamp)
        return stored

    def _encode(self, scenes: Sequence[Scene], warps: Warps | None) -> dict[str, Tensor]:
        first = scenes[0]
        sides.demand(first.views.shape[-2:], self.model.side_multiple, "data: the side of a view")
        stored: dict[str, Tensor] = {
            "latents": torch.cat([self.model.encode(scene.views[None]) for scene in scenes]),
            "truth_yx": torch.stack([scene.points_yx for scene in scenes]),
            "visible": torch.stack([scene.visible for scene in scenes]),
            "normaliser_px": torch.stack([scene.normaliser_px for scene in scenes]),
            "size_px": torch.tensor(first.views.shape[-2:]),
        }
        conditions = _all_or_none("condition image", scenes, [scene.condition for scene in scenes])
        if conditions is not None and self.model.needs_condition:
            stored |= self._encode_conditions(scenes, conditions)
        cameras = _all_or_none("cameras", scenes, [scene.cameras for scene in scenes])
        if cameras is not None:
            stored["matrices"] = torch.stack([camera.matrices for camera in cameras])
            stored["directions"] = torch.stack([camera.directions for camera in cameras])
        points_xyz = _all_or_none("3D keypoints", scenes, [scene.points_xyz for scene in scenes])
        if points_xyz is not None:
            stored["points_xyz"] = torch.stack(points_xyz)
        if warps is not None:
            stored["warped"], stored["theta"] = self._warped(scenes, warps)
        return {name: value.cpu().contiguous() for name, value in stored.items()}

    def _encode_conditions(self, scenes: Sequence[Scene], images: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return latents and embeddings of condition images, which need not be of one size if the model scales them."""
        alike = len({image.shape for image in images}) == 1
        batches = [torch.stack(list(images))] if alike else [image[None] for image in images]
        encoded = [self.model.encode_condition(batch) for batch in batches]
        latents, embeddings = [part.latents for part in encoded], [part.embedding for part in encoded]
        for scene, latent in zip(scenes, latents, strict=False):
            if latent is not None and latents[0] is not None and latent.shape[1:] != latents[0].shape[1:]:
                raise UsageError(f"data: the condition image of {scene.name} has another size than that of "
                                 f"{scenes[0].name}, and this model does not scale them")
        return {"condition": torch.cat([latent for latent in latents if latent is not None]),
                "embedding": torch.cat([embedding for embedding in embeddings if embedding is not None])}

    def _warped(self, scenes: Sequence[Scene], warps: Warps) -> tuple[Tensor, Tensor]:
        copies, degrees, scale, translate = warps
        latents, thetas = [], []
        for scene in scenes:
            # Seeded by the scene, not by the trial, because all trials share the copies.
            theta = random_affine(generator("warps", scene.name), copies * len(scene.views), degrees, scale, translate)
            theta = theta.unflatten(0, (copies, len(scene.views)))  # (A*V 2 3) -> (A V 2 3)
            images = warp(scene.views.expand(copies, -1, -1, -1, -1), theta)  # (V 3 h w) -> (A V 3 h w)
            latents.append(self.model.encode(images))
            thetas.append(theta)
        return torch.stack(latents), torch.stack(thetas)  # (M A V C h w), (M A V 2 3)


def _all_or_none(what: str, scenes: Sequence[Scene], parts: Sequence[T | None]) -> list[T] | None:
    """Return a part of every scene, None if no scene has it; raise UsageError if only some have."""
    present = [part for part in parts if part is not None]
    if present and len(present) < len(parts):
        missing = next(scene.name for scene, part in zip(scenes, parts, strict=True) if part is None)
        raise UsageError(f"data: scene {missing} has no {what}, others have")
    return present or None


def _check_same_contents(whole: dict[str, Tensor], part: dict[str, Tensor], rows: range) -> None:
    """Raise UsageError if a chunk's scenes have other kinds or shapes of images and labels than the first chunk's."""
    if whole.keys() != part.keys():
        odd = ", ".join(sorted(whole.keys() ^ part.keys()))
        raise UsageError(f"data: scenes {rows.start} to {rows.stop - 1} and the first ones do not both have: {odd}")
    for key in whole:
        if whole[key].shape[key != "size_px" :] != part[key].shape[key != "size_px" :]:
            raise UsageError(f"data: scenes {rows.start} to {rows.stop - 1} differ from the first ones in the shape of "
                             f"their {key}: {tuple(part[key].shape[1:])}, not {tuple(whole[key].shape[1:])}")


def _restore(stored: dict[str, Tensor], device: torch.device, rules: Rules) -> Split:
    rows, columns = stored["size_px"].tolist()
    moved = {name: value.to(device) for name, value in stored.items() if name in ("latents", "warped", "theta")}
    condition = Condition(*(None if k not in stored else stored[k].to(device) for k in ("condition", "embedding")))
    # A view without a unit of errors, such as a face whose eyes lie at one point, cannot be scored.
    unit = stored["normaliser_px"]
    stored["visible"] = stored["visible"] & (unit.isfinite() & (unit > 0))[..., None]
    truth = {k: stored.get(k) for k in ("truth_yx", "visible", "normaliser_px", "matrices", "directions", "points_xyz")}
    return Split(size_px=(rows, columns), condition=condition, rules=rules, **(truth | moved))  # type: ignore[arg-type]
