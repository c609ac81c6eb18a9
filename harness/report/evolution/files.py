"""All files of an evolution: animations, still sheets, figures, numbers, and the maps themselves."""

import json
from typing import TYPE_CHECKING

from harness.report.evolution.agreement import Agreement
from harness.report.evolution.charts import LevelCorrelation, NoiseCurves, StepCurves
from harness.report.evolution.numbers import numbers, rows
from harness.report.figures._base import Chart, to_bytes, to_csv
from harness.report.pictures.evolution import animated, frames, still
from harness.report.pictures.groups import groups_sheet
from harness.store.parquet_json import to_parquet, to_plain_json

if TYPE_CHECKING:
    from torch import Tensor

    from harness.method.tracks import Evolution

FOLDER = "evolution"  # beside a trial's record
NUMBERS = "evolution.json"
FORMS = ("svg", "png")


def files(evolution: "Evolution", agreement: Agreement, trial: str, title: str) -> dict[str, bytes]:
    """Return name and content of every file."""
    from safetensors.torch import save

    content: dict[str, bytes] = {}
    maps: dict[str, Tensor] = {}
    for track in evolution.tracks:
        stem = track.name.replace(" ", "_")
        pictures = frames(evolution, track, agreement.tied, title)
        content[f"{stem}.webp"] = animated(pictures, "WEBP")
        content[f"{stem}.gif"] = animated(pictures, "GIF")
        content[f"{stem}.png"] = still(evolution, track, agreement.tied, title)
        maps |= {f"{stem}.{level.key}": level.maps.contiguous() for level in track.levels}
    found = numbers(evolution, agreement, trial)
    over_noise = tuple(track for track in found["tracks"] if track["levels"][0]["step"] is None)
    charts: dict[str, Chart] = {"curves": NoiseCurves(over_noise), "correlation": LevelCorrelation(over_noise)}
    if over_steps := tuple(track for track in found["tracks"] if track["levels"][0]["step"] is not None):
        charts["optimisation_curves"] = StepCurves(over_steps)
    for name, chart in charts.items():
        content |= {f"{name}.{form}": drawn for form, drawn in to_bytes(chart, FORMS).items()}
        content[f"{name}.csv"] = to_csv(chart.rows())
    if evolution.groups:
        views = evolution.tracks[0].levels[0].under.numpy()
        content["groups.png"] = groups_sheet(evolution.groups, views, f"{title}, groups of the context")
        maps |= {f"group.{name}": share.contiguous() for name, share in evolution.groups.items()}
    content[NUMBERS] = json.dumps(to_plain_json(found), indent=1, allow_nan=False).encode()
    content["levels.parquet"] = to_parquet(rows(evolution))
    content["maps.safetensors"] = save(maps)
    return content
