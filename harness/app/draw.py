"""The pictures and numbers of a look: its four outputs without a page around them."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from harness.app.look import Look
from harness.report.evolution.charts import LevelCorrelation, NoiseCurves
from harness.report.evolution.files import files
from harness.report.evolution.numbers import numbers
from harness.report.figures._base import to_bytes
from harness.report.gallery import words
from harness.report.pictures import sheet
from harness.report.pictures.evolution import Strip, animated, frames
from harness.report.pictures.sheet import GAP_PX, INK, MARGIN_PX, PAPER
from harness.report.pictures.tiles import marked, photo

if TYPE_CHECKING:
    from harness.method.tracks import Evolution, Track

HEADS_PX = 36
MARKS = 1.7  # size of the points, against those of a report
UNSEEN = ((0.0, 0.0), False)  # of a token that is tied to no keypoint


def picture(look: Look) -> Image.Image:
    """Return the views with the drawn tokens' points, each beside the tokens' maps at the chosen noise level."""
    evolution, tied = _captured(look)
    track, level = look.picture
    strip = Strip(evolution, type(track)(track.name, track.source, (level,)), tied)
    lines = sheet.wrapped(f"{evolution.scene_name}, {level.at}", 16, strip.width_px)
    top = MARGIN_PX + 20 * len(lines) + HEADS_PX
    image = Image.new("RGB", (strip.width_px + 2 * MARGIN_PX, top + strip.views * (strip.size[1] + GAP_PX) + MARGIN_PX),
                      PAPER)
    sheet.write_lines(ImageDraw.Draw(image), (MARGIN_PX, MARGIN_PX), lines, 16, INK)
    strip.write_heads(image, top - HEADS_PX, "points")
    for view in range(strip.views):
        label = f"view {view}" if strip.views > 1 else ""
        tiles = [_points(evolution, strip, tied, view), *strip.row(0, view)[1:]]
        strip.paste_row(image, top + view * (strip.size[1] + GAP_PX), tiles, label)
    return image


def _points(evolution: "Evolution", strip: Strip, tied: tuple[int, ...], view: int) -> Image.Image:
    """Return a view with the tokens' points, and a ring at the keypoint that a token is tied to where it is visible."""
    from harness.ops.maps import peaks

    found = peaks(strip.levels[0].maps[view]).numpy()[strip.tokens]  # (J 2)
    annotated = evolution.truth_yx.shape[2]  # none in a photograph
    keypoint = {j: k for k, j in enumerate(tied) if j >= 0 and k < annotated}
    truth = [(tuple(evolution.truth_yx[0, view, keypoint[j]].tolist()), bool(evolution.visible[0, view, keypoint[j]]))
             if j in keypoint else UNSEEN for j in strip.tokens]
    places, visible = zip(*truth, strict=True)
    under = photo(strip.photos[0][1][view], strip.size)
    return marked(under, np.array(places), np.array(visible), found, strip.palette, MARKS)


def latest(look: Look) -> Image.Image:
    """Return the frame of the noise level that came last."""
    evolution, tied = _captured(look)
    assert look.latest is not None
    return frames(evolution, look.latest, tied, evolution.scene_name)[0]


def animations(look: Look) -> "list[tuple[Track, bytes]]":
    """Return each pass with its animation over noise levels, as WebP."""
    evolution, tied = _captured(look)
    return [(track, animated(frames(evolution, track, tied, evolution.scene_name), "WEBP"))
            for track in evolution.tracks]


def levels(look: Look) -> list[dict[str, Any]]:
    """Return a row for each captured noise level: pass, noise, entropy, peak mass and the capture's residual."""
    return [{"pass": track["name"], "noise": level["noise_remaining"], "entropy": level["entropy"],
             "peak_mass": level["peak_mass"], "residual": max(level["attention_residual"], level["row_sum_residual"])}
            for track in _numbers(look)["tracks"] for level in track["levels"]]


def described(look: Look) -> list[tuple[str, list[str]]]:
    """Return a heading and computed sentences for each drawn token."""
    return words.from_evolution(_numbers(look))


def charts(look: Look) -> list[tuple[str, bytes]]:
    """Return the caption and the SVG of the curves over noise and of the correlation of noise levels."""
    tracks = tuple(_numbers(look)["tracks"])
    return [(chart.caption, to_bytes(chart, ("svg",))["svg"])
            for chart in (NoiseCurves(tracks), LevelCorrelation(tracks))]


def saved(look: Look, choices: dict[str, Any], trial: str) -> dict[str, bytes]:
    """Return name and content of every file of a finished look."""
    evolution, _ = _captured(look)
    assert look.agreement is not None
    text = "\n\n".join("\n".join([head, *sentences]) for head, sentences in described(look))
    return {**files(evolution, look.agreement, trial, evolution.scene_name), "picture.png": sheet.png(picture(look)),
            "description.txt": f"{text}\n".encode(), "choices.json": json.dumps(choices, indent=1).encode()}


def _captured(look: Look) -> "tuple[Evolution, tuple[int, ...]]":
    assert look.evolution is not None
    assert look.agreement is not None
    return look.evolution, look.agreement.tied


def _numbers(look: Look) -> dict[str, Any]:
    evolution, _ = _captured(look)
    assert look.agreement is not None
    return numbers(evolution, look.agreement, "")
