"""`harness new`: an experiment to start from, which runs as it stands and with any of its comments taken out."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from harness.__main__ import main
from harness.config.load import load
from harness.config.located_yaml import parse
from harness.config.schema import MODELINE
from harness.method.fingerprints import fingerprints
from harness.store.mlflow_tracker import Tracker
from tests.runner.executors import fake


@pytest.fixture(autouse=True)
def away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)


def test_it_writes_an_experiment_that_runs(monkeypatch, capsys):
    def run(spec, on_step, options):
        result = fake.result(spec)
        object.__setattr__(result, "fingerprints", fingerprints(spec))
        return result

    monkeypatch.setattr("harness.method.trial.run", run)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    assert main(["new", "mine"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("mine.yaml\n", "python -m harness run mine.yaml\n")
    assert main(["run", "mine.yaml", "--executor", "inline"]) == 0
    assert "4 planned: 4 done" in capsys.readouterr().err


def test_its_comments_are_settings_that_load_and_its_schema_is_there():
    assert main(["new", "mine"]) == 0
    text = Path("mine.yaml").read_text()
    Path("more.yaml").write_text(re.sub(r"^  # (\w+: \[)", r"  \1", text, flags=re.MULTILINE))
    experiment = load("more.yaml")
    assert (experiment.axes, len(experiment.trials)) == (("fusion", "learning_rate"), 8)
    assert (experiment.report.tests, experiment.report.columns) == (("pck@0.1",), ("pck_oracle@0.1",))
    (line,) = [line for line in text.splitlines() if line.startswith(MODELINE)]
    schema = json.loads(Path(line.removeprefix(MODELINE)).read_text())
    assert not list(Draft7Validator(schema).iter_errors(parse(text, "mine.yaml").plain))
    for command in re.findall(r"`harness (list \w+)`", text):
        assert main(command.split()) == 0


def test_it_never_overwrites(capsys):
    Path("mine.yaml").write_text("mine")
    Path("linked.yaml").symlink_to("nowhere")
    for name in ("mine", "mine.yaml", "./mine", "linked"):
        assert main(["new", name]) == 2
        assert "exists already" in capsys.readouterr().err
    assert Path("mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(("name", "said"), [
    ("Mine", "name: 'Mine' is not valid"), ("fusion", "is a shipped experiment"), ("nowhere/mine", "no such folder"),
    ("artifacts", "taken by a folder"), ("..", "is not valid"),
])
def test_a_name_that_cannot_be_is_refused(name, said, capsys):
    assert main(["new", name]) == 2
    assert said in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_path_says_where():
    Path("studies").mkdir()
    assert main(["new", "studies/mine"]) == 0
    assert load("studies/mine.yaml").name == "mine"
