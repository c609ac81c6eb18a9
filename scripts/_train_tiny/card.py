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


def exported(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the log up to the last measurement, which is when models are exported."""
    last = max(i for i, line in enumerate(log) if "pck@0.1" in line)
    return log[: last + 1]


def minutes(log: list[dict[str, float]]) -> int:
    """Return the training minutes; the clock of a log may have been set back between runs."""
    clock = [line["seconds"] for line in log]
    return round(sum(max(0, b - a) for a, b in zip([0, *clock], clock, strict=False)) / 60)


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
    """Fill the template of the folder's name in, with what was noted about these weights, and save it as README.md."""
    template = (TEMPLATES / f"{folder.name}.md").read_text("utf-8")
    notes = json.loads((TEMPLATES / "notes.json").read_text("utf-8"))[folder.name]
    (folder / "README.md").write_text(template.format(**facts, **notes), "utf-8")
