"""Objaverse's renders in InstantMesh's layout in small: a coloured square in each view, transparent around it."""

import json
from pathlib import Path

from PIL import Image, ImageDraw

SQUARE = (8, 12, 23, 27)  # left, top, right, bottom, all included: 16 pixels wide and high


def render(path: Path, number: int, side_px: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGBA", (side_px, side_px), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle([value * side_px // 32 for value in SQUARE], fill=(200, 30 * number, 40, 255))
    image.save(path)


def objaverse_tree(root: Path, count: int = 8, side_px: int = 32) -> Path:
    paths = [f"000-{number % 2:03}/{number:032x}" for number in range(count)]
    for path in paths:
        for view in range(7):
            render(root / "rendering_zero123plus" / path / f"{view:03}.png", view, side_px)
    (root / "lvis-annotations.json").write_text(json.dumps({"mug": paths[:3], "pear": paths[2:]}))
    return root
