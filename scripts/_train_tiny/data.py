"""Render training scenes of `figures` once and keep them, with part masks and phrases, in a compressed file."""

import json
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from harness.data.figures import Figures

SIDE_PX = 64
CELLS = 16
GRAY_EVERY = 10
FAMILIES = ("biped", "quadruped", "bird")
CHUNK = 25


@dataclass(frozen=True)
class Pictures:
    """Rendered scenes: images (n V 3 64 64) uint8, masks (n V 10 16 16) uint8 coverage, and what the captions say.

    Also the true segment centres points_yx (n V 10 2), visible (n V 10) and normaliser_px (n V), for measuring only.
    """

    images: Tensor
    masks: Tensor
    points_yx: Tensor
    visible: Tensor
    normaliser_px: Tensor
    families: list[str]
    phrases: list[list[str]]
    conditions: Tensor | None = None

    def __len__(self) -> int:
        """Return how many scenes there are."""
        return len(self.families)

    def first(self, count: int) -> "Pictures":
        """Return the first ``count`` scenes."""
        return Pictures(self.images[:count], self.masks[:count], self.points_yx[:count], self.visible[:count],
                        self.normaliser_px[:count], self.families[:count], self.phrases[:count],
                        None if self.conditions is None else self.conditions[:count])


def plain_sided(points_yx: Tensor) -> Tensor:
    """Return which views (n V) show plainly which side is left, out of the half that show it one way round.

    That way round is the sign of the cross product of two axes of the picture: from all but the first two parts to the
    head, and from the right limbs to the left ones. Plainly means that these are far from parallel and not short.
    """
    axis = points_yx[:, :, 0] - points_yx[:, :, 2:].mean(2)
    side = points_yx[:, :, 4::2].mean(2) - points_yx[:, :, 5::2].mean(2)
    cross = axis[..., 0] * side[..., 1] - axis[..., 1] * side[..., 0]
    return (cross > 0.5 * axis.norm(dim=-1) * side.norm(dim=-1)) & (side.norm(dim=-1) > 0.06)


def coverage(masks: Tensor) -> Tensor:
    """Return the share of each 4 x 4 pixel cell that a part covers, as uint8: (V M 64 64) -> (V M 16 16)."""
    return (avg_pool2d(masks.float(), SIDE_PX // CELLS) * 255).round().to(torch.uint8)


def figures(views: int, split: str, index: int) -> Figures:
    """Return the dataset of picture ``index``: families in turn; of single training views every tenth on plain gray."""
    plain = split == "train" and views == 1 and index % GRAY_EVERY == 0
    return Figures(family=FAMILIES[index % len(FAMILIES)], views=views, background="gray" if plain else "auto")


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round().to(torch.uint8)


def _render(task: tuple[int, str, int, int]) -> tuple[dict[str, NDArray[Any]], list[str], list[list[str]]]:
    torch.set_num_threads(1)
    views, split, first, last = task
    rows: list[dict[str, Tensor]] = []
    families: list[str] = []
    phrases: list[list[str]] = []
    for index in range(first, last):
        dataset = figures(views, split, index)
        scene = dataset.scene(split, index)
        assert scene.masks is not None
        arrays = {"images": _bytes(scene.views), "masks": coverage(scene.masks), "points_yx": scene.points_yx,
                  "visible": scene.visible, "normaliser_px": scene.normaliser_px}
        if scene.condition is not None:
            arrays["conditions"] = _bytes(scene.condition)
        rows.append(arrays)
        families.append(dataset.family)
        phrases.append(list(dataset.phrases(split, index)))
    return {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}, families, phrases


def pictures(folder: Path, views: int, count: int, split: str = "train", processes: int = 2, first: int = 0
             ) -> Pictures:
    """Return ``count`` scenes of ``split`` from ``first`` on, rendered on the first call, then read from ``folder``."""
    path = folder / (f"{split}-{views}x{count}" + (f"-from{first}" if first else "") + ".npz")
    if not path.exists():
        last = first + count
        tasks = [(views, split, start, min(start + CHUNK, last)) for start in range(first, last, CHUNK)]
        with get_context("spawn").Pool(processes) as pool:
            chunks = pool.map(_render, tasks, chunksize=1)
        stacked = {name: np.concatenate([arrays[name] for arrays, _, _ in chunks]) for name in chunks[0][0]}
        words = json.dumps([[f for _, families, _ in chunks for f in families], [p for *_, c in chunks for p in c]])
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, allow_pickle=False, words=np.array(words), **stacked)
        part.rename(path)
    with np.load(path) as file:
        families, phrases = json.loads(str(file["words"]))
        arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "words"}
    return Pictures(conditions=arrays.pop("conditions", None), families=families, phrases=phrases, **arrays)
