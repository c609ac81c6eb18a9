"""`harness schema` and the schema beside the shipped experiments: current, and of one mind with `load`."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from harness import registry
from harness.__main__ import main
from harness.config.load import load
from harness.config.located_yaml import parse
from harness.config.schema import MODELINE, schema, to_text
from harness.config.spec import TrialSpec
from harness.errors import UsageError
from tests.test_cli import MALFORMED

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
SHIPPED = sorted(EXPERIMENTS.rglob("*.yaml"))
BLOCKS = [block for page in ("README.md", "docs/operations.md", "docs/method.md")
          for block in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)]
BEYOND = {"bad YAML", "binary", "python object", "duplicate key",  # no editor gets as far as a schema
          "bad cell after good ones"}  # of a combination
GOOD = """\
name: good
trial: {fusion: {name: blend, alpha: 1}, losses: [nvs, sharpening], layers: [0, 1], steps: 5.0,
        losses.sharpening.weight: 2, data.family: bird, view_pass: canvas}
grid: {fusion.strength: [0.5, 1], losses.nvs: [~, {weight: 3}], selection: [all, {name: gaussian_fps}]}
seeds: [3, 1]
report: {rows: [fusion], baseline: {fusion: blend}, columns: [nme], published: [{score: nme, value: 1, source: S}]}
"""
SEARCH = """\
name: good
trial:
search:
  sampler: {name: tpe, startup: 3}
  objective: [pck_fit@0.1, {score: nvs_loss, direction: minimize}]
  space: {learning_rate: {low: 0.001, log: true}, tokens: [32, 64], timestep: auto, view_pass: auto, layers: [[0], [1]],
          selection: auto, fusion: [none, {name: blend, alpha: auto, strength: 0.5}],
          losses.separation: [off, on, {weight: {low: 0.1, high: 1}, distance: [0.1, 0.2]}], fusion.strength: [1.0]}
  budget: {trials: 10, minutes: 1.5}
"""


@pytest.fixture(scope="module")
def faults():
    """Return a function that gives the schema's messages about a text of YAML."""
    content = schema()
    Draft7Validator.check_schema(content)
    validator = Draft7Validator(content)
    return lambda text: [error.message for error in validator.iter_errors(parse(text, "probe.yaml").plain)]


def test_the_stored_schema_is_current():
    assert (EXPERIMENTS / "schema.json").read_text() == to_text(schema()), (
        "run `python -m harness schema --output experiments/schema.json`")


def test_the_command_writes_it_to_stdout_or_a_file(tmp_path, capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((EXPERIMENTS / "schema.json").read_text())
    assert main(["schema", "--output", str(tmp_path / "own.json")]) == 0
    assert "# yaml-language-server: $schema=own.json" in capsys.readouterr().err
    assert (tmp_path / "own.json").read_text() == (EXPERIMENTS / "schema.json").read_text()
    assert main(["schema", "--output", str(tmp_path)]) == 2


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_experiment_is_valid_and_names_the_schema(path, faults):
    text = path.read_text()
    assert faults(text) == []
    (line,) = [line for line in text.splitlines() if line.startswith(MODELINE)]
    assert (path.parent / line.removeprefix(MODELINE)).resolve() == EXPERIMENTS / "schema.json"


@pytest.mark.parametrize("text", [GOOD, SEARCH, *(block for block in BLOCKS if "name:" in block.split("\n")[0])],
                         ids=lambda text: text[:24])
def test_what_loads_is_valid(text, faults, tmp_path):
    (tmp_path / "good.yaml").write_text(text)
    load(tmp_path / "good.yaml")
    assert faults(text) == []


@pytest.mark.parametrize("mistake", sorted(MALFORMED.keys() - BEYOND))
def test_a_malformed_experiment_is_refused(mistake, faults):
    assert faults(MALFORMED[mistake][0].decode() or "~")


@pytest.mark.parametrize("text", [
    "trial: {steps: true}", "trial: {steps: 2.5}", "trial: {layers: 0}", "trial: {layers: [-1]}", "seeds: 0",
    "seeds: [1, 1]", "seeds: -1", "trial: {seed: 1}", "steps: 5", "trial: {fusion: {alpha: 1}}", "trial: {losses: []}",
    "trial: {losses: {nvs: {wight: 1}}}", "grid: {fusion: none}", "grid: {fusion: []}", "grid: {fusion.alhpa: [1]}",
    "grid: {tokens: [1]}\nsearch: {space: {tokens: [1]}}", "search: {}", "search: {space: {}}",
    "search: {space: {tokens: 5}}", "search: {space: {view_pass: {low: 1}}}", "search: {space: {fusion: [blnd]}}",
    "search: {space: {tokens: auto}, sampler: tep}", "search: {space: {tokens: auto}, budget: {trials: 0}}",
    "search: {space: {tokens: auto}, objective: {score: nvs_loss, direction: up}}", "report: {rows: fusion}",
    "report: {tests: []}", "report: {published: [{score: nme, value: many, source: S}]}", "name: reference",
])
def test_what_the_schema_refuses_does_not_load(text, faults, tmp_path):
    whole = text if text.startswith("name:") else f"name: probe\n{text}\n"
    assert faults(whole)
    (tmp_path / "probe.yaml").write_text(whole)
    with pytest.raises(UsageError):
        load(tmp_path / "probe.yaml")


def test_every_knob_is_described_by_its_meaning():
    definitions = schema()["definitions"]
    for knob in registry.knobs_of(TrialSpec):
        assert definitions[knob.name]["description"].startswith(knob.meaning)
    for kind, key in (("fusion", "fusion"), ("data", "data"), ("models", "model"), ("selection", "selection")):
        for variant in registry.variants(kind):
            assert any(option.get("const") == variant.name and option["description"] == variant.summary
                       for option in definitions[key]["anyOf"])
            for knob in variant.knobs:
                assert knob.meaning in definitions[f"{key}.{knob.name}"]["description"]
    for loss in registry.variants("losses"):
        for knob in loss.knobs:
            assert definitions[f"losses.{loss.name}.{knob.name}"]["description"].startswith(knob.meaning)
