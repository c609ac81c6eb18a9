"""CUB in its three public layouts, with birds of a few pixels."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

PARTS = ("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape",
         "right eye", "right leg", "right wing", "tail", "throat")
CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross", "004.Groove_billed_Ani")
EACH = 5  # images of a class: three to train, two to test
BACK, BEAK = (7, 4), (10.5, 6)  # x, y from 1
BOX = (5, 3, 8, 4)  # x, y, width, height


def bird(path: Path) -> None:
    """Write an image of 20 x 10 with one white pixel, which is the bird's back; without loss, whatever its name."""
    image = Image.new("RGB", (20, 10))
    image.putpixel((BACK[0] - 1, BACK[1] - 1), (255, 255, 255))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG")


def names() -> list[str]:
    return [f"{name}/{name[4:]}_{number:04d}_{number}.jpg" for name in CLASSES for number in range(EACH)]


def is_train(row: int) -> bool:
    return row % EACH < 3


def raw_tree(root: Path) -> Path:
    """Write the published layout and return its folder."""
    folder = root / "CUB_200_2011"
    (folder / "parts").mkdir(parents=True)
    for name in names():
        bird(folder / "images" / name)
    rows = range(len(names()))
    texts = {
        "images.txt": [f"{row + 1} {name}" for row, name in enumerate(names())],
        "image_class_labels.txt": [f"{row + 1} {row // EACH + 1}" for row in rows],
        "train_test_split.txt": [f"{row + 1} {int(is_train(row))}" for row in rows],
        "bounding_boxes.txt": [f"{row + 1} {' '.join(f'{edge:.1f}' for edge in BOX)}" for row in rows],
        "parts/parts.txt": [f"{part + 1} {name}" for part, name in enumerate(PARTS)],
        "parts/part_locs.txt": [f"{row + 1} {part + 1} {place}" for row in rows for part, place in enumerate(places())],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def places() -> list[str]:
    """Return a bird's parts as part_locs.txt has them: two are visible."""
    return [f"{x} {y} 1" for x, y in (BACK, BEAK)] + ["0.0 0.0 0"] * (len(PARTS) - 2)


def image_struct(name: str, **changes: object) -> dict[str, object]:
    """Return an entry of a file of CMR."""
    parts = np.array([list(map(float, place.split())) for place in places()]).T
    x, y, wide, high = BOX
    box = {"x1": float(x), "y1": float(y), "x2": float(x + wide - 1), "y2": float(y + high - 1)}
    return {"rel_path": name, "parts": parts, "bbox": box, "mask": np.zeros((10, 20), np.uint8), **changes}


def save_mat(path: Path, entries: list[dict[str, object]]) -> None:
    images = np.empty(len(entries), dtype=[(key, object) for key in entries[0]])
    for row, entry in enumerate(entries):
        images[row] = tuple(entry.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"images": images})


def cmr_tree(root: Path, cache: str = "CUB_200_2011/cachedir/cub") -> Path:
    """Write the images and CMR's files and return the folder of these; the last test image of a class is of `val`."""
    for name in names():
        bird(root / "CUB_200_2011" / "images" / name)
    lists: dict[str, list[dict[str, object]]] = {"train": [], "test": [], "val": []}
    for row, name in enumerate(names()):
        lists["train" if is_train(row) else "test" if row % EACH == 3 else "val"].append(image_struct(name))
    for name, entries in lists.items():
        save_mat(root / cache / "data" / f"{name}_cub_cleaned.mat", entries)
    return root / cache / "data"


def h5_tree(root: Path, side: int = 16) -> Path:
    """Write cub.h5 and return it: the back is at pixel (4, 8), the beak a little outside, nothing else is visible."""
    path = root / "cub.h5"
    with h5py.File(path, "w") as file:
        for key, count in {"train": 4, "val": 1, "test": 3, "test001": 2, "test002": 1, "test003": 1}.items():
            images = np.zeros((count, 3, side, side), np.uint8)
            images[:, :, 4, 8] = 255
            points = np.full((count, len(PARTS), 2), -0.3)
            points[:, 0], points[:, 1] = (4.5 / side, 8.5 / side), (-0.02, 0.5)
            seen = np.zeros((count, len(PARTS)), np.uint8)
            seen[:, :2] = 1
            for name, value in (("img", images), ("kp", points.astype(np.float32)), ("vis", seen)):
                file[f"{key}_{name}"] = value
    return path
