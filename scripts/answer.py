"""Draw every experiment's answer in one figure: the PCK@0.1 that each choice adds to its experiment's baseline.

    python scripts/answer.py

Reads the reports in results/reference, and writes answer.svg and answer.csv there.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from harness.report.figures._style import COLOURS, FAINT, INK, PAPER, applied_style, file_bytes, new_figure  # noqa: E402

REFERENCE = ROOT / "results" / "reference"
SCORE = "pck@0.1"
QUESTIONS = {
    "optimisation": "Optimise the tokens?", "loss_level": "One blob per view, or one on the canvas?",
    "tokens": "How many tokens?", "fusion": "Feed tokens into the generator?", "strength": "How strongly?",
    "consistency": "Make the views agree?",
    "precision": "Half precision?", "training_length": "How many steps?", "context": "Text beside the tokens?"}
BASELINES = {"context": "tokens alone", "strength": "none"}  # instead of a long list of settings
PHRASES = {"text_tokens=0": "all text", "text_tokens=1": "first text token", "text_bias=0": "",
           "text_bias=-4": "lowered by 4", "context_softmax=joint": "joint softmax",
           "context_softmax=separate": "own softmax"}  # instead of settings
ROW_IN, WIDTH_IN = 0.17, 7.0


@dataclass(frozen=True)
class Answer:
    """One setting's difference to the baseline of its experiment, with the half width of its 95% interval."""

    experiment: str
    setting: str
    baseline: str
    mean: float
    half_width: float
    star: bool


def answers(folder: Path = REFERENCE) -> Iterator[Answer]:
    """Yield the differences of the reports' main tables, experiment by experiment."""
    for name in QUESTIONS:
        report = "fusion" if name == "optimisation" else name  # its question is that of the reference rows
        path = folder / report / f"{report}.json"
        if not path.is_file():
            continue
        (table,) = (table for table in json.loads(path.read_text("utf-8"))["tables"] if table["name"] == "pck")
        rows = [row for row in table["rows"] if row["is_reference"] == (name == "optimisation")
                and row["scores"].get(SCORE, {}).get("difference")]
        for row in rows:
            cell = row["scores"][SCORE]
            found = cell["difference"]
            yield Answer(name, _words(row["setting"], [each["setting"] for each in rows]),
                         BASELINES.get(name, found["baseline"]), found["mean"], found["half_width"], cell["star"])


def _words(setting: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> str:
    """Return what tells a setting apart from the others: its one value, or name=value of each that varies."""
    if len(setting) == 1:
        return next(iter(setting.values()))
    values = list(setting.values())
    varying = [f"{key}={value}" for key, value in setting.items() if len({other[key] for other in others}) > 1
               # "fusion=concat strength=0.5" says fusion.strength already.
               and not any(f" {key.split('.')[-1]}={value}" in other for other in values)]
    if len(varying) == 1:
        return varying[0].split("=", 1)[1]
    return ", ".join(filter(None, (PHRASES.get(word, word) for word in varying)))


def draw(rows: Sequence[Answer]) -> bytes:
    """Return the figure as SVG: a group for each experiment, a mark and an interval for each setting."""
    names = list(dict.fromkeys(row.experiment for row in rows))
    with applied_style():
        figure = new_figure(WIDTH_IN, ROW_IN * (len(rows) + 1.6 * len(names)) + 0.5)
        axes = figure.add_subplot()
        axes.axvline(0, color=INK, linewidth=0.8)
        place, labels = 0.0, []
        for name, colour in zip(names, cycle(COLOURS)):
            mine = [row for row in rows if row.experiment == name]
            labels.append((place, f"{QUESTIONS[name]}  against {mine[0].baseline}", True))
            place += 1
            marker = "D" if name == "optimisation" else "o"
            for row in mine:
                axes.errorbar(row.mean, place, xerr=row.half_width, color=colour, marker=marker, markersize=4,
                              markerfacecolor=colour if row.star or marker == "D" else PAPER, capsize=0)
                labels.append((place, row.setting, False))
                place += 1
            place += 0.6
        axes.set_ylim(place - 0.2, -0.7)
        axes.set_yticks([at for at, _, _ in labels], [text for _, text, _ in labels])
        for tick, (_, _, is_head) in zip(axes.get_yticklabels(), labels, strict=True):
            tick.set_fontweight("bold" if is_head else "normal")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("difference in PCK@0.1, mean and 95% interval\nfilled: p \N{LESS-THAN OR EQUAL TO} 0.05; "
                        "diamonds: references, not tested",
                        color=FAINT)
        return file_bytes(figure, "svg")


def main() -> None:
    """Write the figure and its numbers."""
    rows = list(answers())
    (REFERENCE / "answer.svg").write_bytes(draw(rows))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["experiment", "setting", "baseline", "difference", "half_width", "star"])
    writer.writerows([row.experiment, row.setting, row.baseline, row.mean, row.half_width, row.star] for row in rows)
    (REFERENCE / "answer.csv").write_text(text.getvalue(), "utf-8")


if __name__ == "__main__":
    main()
