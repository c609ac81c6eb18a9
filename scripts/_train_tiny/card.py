"""Write the model cards beside the weights: data, steps, losses, measured quality, sample pictures."""

import json
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

TEMPLATES = Path(__file__).parent / "cards"


def lines(path: Path) -> list[dict[str, float]]:
    """Return a stage's log."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def last_mean(log: list[dict[str, float]], key: str, count: int = 10) -> float:
    """Return the mean of a logged value over the last ``count`` lines that have it."""
    values = [line[key] for line in log if key in line][-count:]
    return round(sum(values) / len(values), 4)


def table(values: dict[str, object]) -> str:
    """Return a two-column Markdown table."""
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])


def sheet(rows: list[Tensor], path: Path, zoom: int = 1) -> None:
    """Save rows of images (n 3 h w) in [0, 1] as one picture."""
    grid = torch.cat([torch.cat(list(row), -1) for row in rows], -2).clamp(0, 1)
    picture = Image.fromarray((grid * 255).round().byte().permute(1, 2, 0).numpy())
    picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST).save(path, optimize=True)


def write(folder: Path, facts: dict[str, object]) -> None:
    """Fill the template of the folder's name in and save it as README.md."""
    template = (TEMPLATES / f"{folder.name}.md").read_text("utf-8")
    (folder / "README.md").write_text(template.format(**facts), "utf-8")
