"""The shipped reports are of the shipped models and data, and docs/results.md quotes their numbers."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from harness.config.load import load
from harness.config.spec import RESULTS_VERSION, to_json
from harness.method import trial

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "results" / "reference"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
NUMBER = re.compile(r"[+-]?\d+\.\d+±\d*\.\d+\*?")
WORDS = (ROOT / "docs" / "results.md").read_text()


def test_every_experiment_with_an_answer_has_its_report():
    assert NAMES == ["base_model", "consistency", "fusion", "loss_level", "precision", "tokens"]


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_of_the_experiment_as_it_is_shipped(name):
    found = json.loads((FOLDER / name / f"{name}.json").read_text())
    version = found["results_version"]
    assert version <= RESULTS_VERSION
    assert f"results version {version}" in (FOLDER / "README.md").read_text()
    planned = {}
    for spec in load(f"experiments/{name}.yaml", ["seeds=8"]).trials:
        marks = trial.fingerprints(spec)
        content = to_json([spec.to_dict(), marks["data"], marks["weights"], version])
        planned[hashlib.sha256(content.encode()).hexdigest()[:16]] = spec.seed
    assert found["trials"].keys() == planned.keys()
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
