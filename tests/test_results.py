"""The shipped reports are of the shipped models and data, and docs/results.md quotes their numbers."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest

from harness.config.load import load
from harness.config.spec import RESULTS_VERSION
from harness.method.fingerprints import fingerprints

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "results" / "reference"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
NUMBER = re.compile(r"[+-]?\d+\.\d+±\d*\.\d+\*?")
WORDS = (ROOT / "docs" / "results.md").read_text()


def test_every_experiment_with_an_answer_has_its_report():
    assert NAMES == ["base_model", "consistency", "context", "fusion", "generation", "loss_level", "precision",
                     "strength", "tokens", "training_length"]


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_of_the_experiment_as_it_is_shipped(name):
    found = json.loads((FOLDER / name / f"{name}.json").read_text())
    assert found["results_version"] == RESULTS_VERSION
    for page in (FOLDER / "README.md", ROOT / "docs" / "results.md"):
        assert f"results version {RESULTS_VERSION}" in page.read_text()
    planned = set()
    for spec in load(f"experiments/{name}.yaml", ["seeds=8"]).trials:
        marks = fingerprints(spec)
        planned.add(spec.id(marks["data"], marks["weights"]))
    assert found["trials"].keys() == planned
    assert not any(each["git_dirty"] for each in found["trials"].values())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_it_stands_in_it(name):
    section = next(part for part in WORDS.split("\n## ") if f"`{name}`" in part)
    said = {text.rstrip("*") for text in NUMBER.findall(section)}
    tables = (FOLDER / name / f"{name}.md").read_text()
    assert said
    assert said - {text.rstrip("*") for text in NUMBER.findall(tables)} == set()


@pytest.mark.parametrize("name", NAMES)
def test_stars_are_those_of_the_report(name):
    section = next(part for part in WORDS.split("\n## ") if f"`{name}`" in part)
    starred = {text for text in NUMBER.findall(section) if text.endswith("*")}
    assert starred <= set(NUMBER.findall((FOLDER / name / f"{name}.md").read_text()))


def test_what_is_said_of_samplers_stands_in_their_comparison():
    section = next(part for part in WORDS.split("\n## ") if "`sweep_keypoints`" in part)
    said = set(NUMBER.findall(section))
    assert said
    assert said - set(NUMBER.findall((FOLDER / "samplers.md").read_text())) == set()


def test_the_figure_of_all_answers_shows_the_reports():
    sys.path.append(str(ROOT / "scripts"))
    import answer

    rows = list(answer.answers())
    assert {row.experiment for row in rows} > {"fusion", "loss_level", "tokens", "optimisation"}
    with (FOLDER / "answer.csv").open() as file:
        shown = [(row["experiment"], row["setting"], float(row["difference"]), float(row["half_width"]), row["star"])
                 for row in csv.DictReader(file)]
    assert shown == [(row.experiment, row.setting, row.mean, row.half_width, str(row.star)) for row in rows]
    drawing = answer.draw(rows)
    assert drawing == (FOLDER / "answer.svg").read_bytes()
    assert all(f"<!-- {question}" in drawing.decode() for question in answer.QUESTIONS.values())
