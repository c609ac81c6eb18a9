"""Inputs to damage: each subject writes files into an empty folder and returns the command line that reads them.

A subject draws everything from the `random.Random` that it gets. Its files lie in ``input/``; only ``results/`` may
change.
"""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from _fuzz import mutations
from _fuzz.recorded import trial_folder
from harness.config.load import shipped
from harness.data._images import SUFFIXES

ROOT = Path(__file__).resolve().parents[2]
Subject = Callable[[Path, random.Random], list[str]]
SETTINGS = (
    "trial.steps", "trial.fusion", "trial.fusion.strength", "trial.model", "trial.data", "trial.data.side_px",
    "trial.losses", "trial.losses.nvs.weight", "trial.layers", "seeds", "grid.fusion", "grid.tokens", "name",
    "report.baseline", "report.rows", "report.tests", "search.budget", "search.sampler", "trial", "grid", "", "x",
)


def experiment_text(folder: Path, draw: random.Random) -> list[str]:
    """A shipped experiment with damaged text."""
    source = (ROOT / "experiments" / f"{draw.choice(shipped())}.yaml").read_text()
    (folder / "input" / "e.yaml").write_text(mutations.text(source, draw), errors="replace")
    return ["plan", "input/e.yaml"]


def experiment_values(folder: Path, draw: random.Random) -> list[str]:
    """A shipped experiment with changed values and keys."""
    document = yaml.safe_load((ROOT / "experiments" / f"{draw.choice(shipped())}.yaml").read_text())
    for _ in range(draw.randint(1, 2)):
        document = mutations.structure(document, draw)
    (folder / "input" / "e.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    return ["plan", "input/e.yaml", *(["--json"] if draw.random() < 0.3 else [])]


def overrides(folder: Path, draw: random.Random) -> list[str]:
    """A shipped experiment with odd ``--set`` flags."""
    flags = [f"{draw.choice(SETTINGS)}={json.dumps(mutations.odd(draw), ensure_ascii=False)}"
             for _ in range(draw.randint(1, 3))]
    flags = [mutations.text(flag, draw) if draw.random() < 0.3 else flag for flag in flags]
    return ["plan", draw.choice(shipped()), *(part for flag in flags for part in ("--set", flag.replace("\x00", "")))]


def photographs(folder: Path, draw: random.Random) -> list[str]:
    """Photographs of any mode and size, some of them damaged."""
    _photographs(folder / "input", draw, damaged=2)
    return ["doctor", "--data", "folder", "--root", "input"]


def keypoint_table(folder: Path, draw: random.Random) -> list[str]:
    """Our own keypoint table, damaged."""
    names = _photographs(folder / "input", draw, damaged=0)
    rows = [f"{name},{keypoint},{draw.randint(0, 70)},{draw.randint(0, 50)},{draw.randint(0, 1)}"
            for name in names for keypoint in ("nose", "tail")]
    table = "image,keypoint,x,y,visible\n" + "\n".join(rows) + "\n"
    (folder / "input" / "keypoints.csv").write_bytes(_damage(table, draw))
    return ["doctor", "--data", "folder", "--root", "input"]


def keypoint_json(folder: Path, draw: random.Random) -> list[str]:
    """COCO's or LabelMe's annotations, damaged."""
    names = _photographs(folder / "input", draw, damaged=0)
    coco = {"images": [{"id": i, "file_name": name, "width": 64, "height": 48} for i, name in enumerate(names)],
            "categories": [{"id": 1, "name": "a", "keypoints": ["nose", "tail"]}],
            "annotations": [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4],
                             "keypoints": [10, 10, 2, 30, 30, 1]} for i in range(len(names))]}
    labelme = {"version": "5", "imagePath": names[0], "imageHeight": 48, "imageWidth": 64,
               "shapes": [{"label": "nose", "points": [[3, 4]], "shape_type": "point"}]}
    document = mutations.structure(draw.choice((coco, labelme)), draw)
    text = json.dumps(document)
    (folder / "input" / "labels.json").write_bytes(_damage(text, draw) if draw.random() < 0.3 else text.encode())
    return ["doctor", "--data", "folder", "--root", "input"]


def model_folder(folder: Path, draw: random.Random) -> list[str]:
    """A shipped model's folder with one file damaged, renamed or missing."""
    model = folder / "input" / "model"
    shutil.copytree(ROOT / "harness" / "models" / "weights" / "tiny_sd", model)
    path = draw.choice([path for path in sorted(model.rglob("*")) if path.suffix in (".json", ".txt", ".safetensors")])
    match draw.randint(0, 3):
        case 0:
            path.unlink()
        case 1:
            path.rename(path.with_name(f"x{path.name}"))
        case 2 if path.suffix == ".json":
            path.write_text(json.dumps(mutations.structure(json.loads(path.read_text()), draw)))
        case _:
            path.write_bytes(mutations.content(path.read_bytes(), draw))
    return ["plan", "keypoints", "--set", "trial.model={name: sd15, path: input/model}"]


def record(folder: Path, draw: random.Random) -> list[str]:
    """A finished trial's folder with one file damaged, read by a command that shows it."""
    trials = folder / "results" / "quick" / "trials"
    shutil.copytree(trial_folder(), trials / trial_folder().name)
    path = draw.choice(sorted(path for path in trials.rglob("*") if path.is_file()))
    if path.suffix == ".json" and draw.random() < 0.7:
        path.write_text(json.dumps(mutations.structure(json.loads(path.read_text()), draw)))
    else:
        path.write_bytes(mutations.content(path.read_bytes(), draw))
    commands = (["status"], ["status", "quick"], ["report", "quick", "--format", "markdown"],
                ["show", trial_folder().name[:6]], ["report", "quick", "--verify"], ["compare", "quick"])
    return draw.choice(commands)


def arguments(folder: Path, draw: random.Random) -> list[str]:
    """Commands with flags and names that do not fit."""
    words = ["report", "status", "show", "compare", "plan", "list", "doctor", "fusion", "quick", "--format", "latex",
             "--where", "fusion=none", "--set", "seeds=1", "--json", "--results", "nowhere", "--diff", "input",
             "--verify", "--output", "results/out", "-h", "--help", "", " ", "é", "--", "-", "0", "input/none.yaml"]
    first = draw.choice(("report", "status", "show", "compare", "plan", "list", "doctor", mutations.text("run", draw)))
    return [first.replace("\x00", ""), *(draw.choice(words) for _ in range(draw.randint(0, 4)))]


def _photographs(root: Path, draw: random.Random, damaged: int) -> list[str]:
    """Write eight pictures; return their names."""
    names = []
    for number in range(8):
        mode = draw.choice(("RGB", "L", "RGBA", "P", "I;16", "F", "1", "CMYK")) if damaged else "RGB"
        suffix = ".tiff" if mode in ("I;16", "F", "CMYK") else draw.choice((".png", ".tiff")) if damaged else ".png"
        size = (draw.randint(1, 90), draw.randint(1, 90)) if damaged else (64, 48)
        path = root / f"{number}{suffix}"
        if mode in ("I;16", "F"):
            kind = np.uint16 if mode == "I;16" else np.float32
            Image.fromarray(np.full(size[::-1], draw.choice((0, 1, 300)), kind)).save(path)
        else:
            Image.new(mode, size).save(path)
        names.append(path.name)
    for _ in range(damaged):
        path = root / draw.choice(names)
        path.write_bytes(mutations.content(path.read_bytes(), draw))
    if damaged and draw.random() < 0.3:
        (root / f"text{draw.choice(SUFFIXES)}").write_text("no image")
    return names


def _damage(text: str, draw: random.Random) -> bytes:
    return mutations.content(text.encode(), draw) if draw.random() < 0.3 else mutations.text(text, draw).encode(
        "utf-8", "surrogatepass")


SUBJECTS: dict[str, Subject] = {
    "experiment_text": experiment_text, "experiment_values": experiment_values, "overrides": overrides,
    "photographs": photographs, "keypoint_table": keypoint_table, "keypoint_json": keypoint_json,
    "model_folder": model_folder, "record": record, "arguments": arguments,
}
