"""Messages that once left a reader without help: each says what is wrong and what to do about it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from harness.__main__ import main
from harness.errors import UsageError, shorten
from harness.report.tables.columns import TABLES
from harness.runner.executors.base import RUN, Failed, Task, run_task
from tests.data.test_folder import tree
from tests.runner.executors import fake

EXPERIMENTS = {
    "a name of digits": ("name: 2024\n",
                         'name: 2024 is not valid; quote it, for YAML takes it for no word: name: "2024"'),
    "a name that is a truth value": ("name: true\n", 'quote it, for YAML takes it for no word: name: "true"'),
    "a large seed": ("name: a\nseeds: [4294967296]\n", "expected whole numbers from 0 to 4294967295"),
    "no space in a mapping": ("name: a\ntrial: {data: {name:figures,views:1}}\n",
                              "'name:figures' is one word; YAML wants a space after the colon: name: figures"),
    "no space in a second key": ("name: a\ntrial: {data: {name: figures,views:1}}\n",
                                 "YAML wants a space after the colon"),
    "no space in a loss": ("name: a\ntrial: {losses: {nvs: {weight:1}}}\n", "the colon: weight: 1"),
    "no space in a block": ("name: a\ntrial:\n  steps:5\n",
                            "found 'steps:5'; YAML wants a space after the colon: steps: 5"),
    "no space at the top": ("name:a\n", "found 'name:a'; YAML wants a space after the colon: name: a"),
    "no space above": ("name: a\ntrial:\n  steps:5\n  tokens: 3\n",
                       "write a space after each colon, also in the line above"),
    "a mapping without a name": ("name: a\ntrial: {data: {views: 1}}\n",
                                 "a mapping with 'name', found a mapping of 'views'"),
    "a key in trial and in grid": ("name: a\ntrial: {tokens: 32}\ngrid: {tokens: [32, 64]}\n",
                                   "the grid varies it; delete this line, or, to fix the setting, grid.tokens"),
    "a setting at the top": ("name: a\nmodel: tiny_sd\n", "'model' is a setting of the trial; write it under 'trial:'"),
    "a dotted setting at the top": ("name: a\nfusion.strength: 1\n", "'fusion.strength' is a setting of the trial"),
}
FLAGS = {
    "--set forgotten": (["plan", "quick", "trial.steps=5"], "write --set before a setting: --set trial.steps=5 ("),
    "no experiment": (["plan", "trial.steps=5"], "name the experiment first, then write --set trial.steps=5"),
    "a list cut by the shell": (["plan", "quick", "--set", "grid.tokens=[8,", "16]"],
                                "quote a value that holds spaces: "),
    "a mapping cut by the shell": (["plan", "quick", "--set", "trial.data={name:", "figures}"],
                                   "quote a value that holds"),
    "half a list": (["plan", "quick", "--set", "grid.tokens=[8,"],
                    "quote the whole of KEY=VALUE, or the shell cuts it"),
    "a hub's name": (["plan", "quick", "--set", "trial.model=runwayml/stable-diffusion-v1-5"],
                     "a path stands in a knob: {name: sd15, path: runwayml/stable-diffusion-v1-5}; choices: "),
    "a folder of data": (["plan", "quick", "--set", "trial.data=~/birds"], "{name: folder, root: ~/birds}; choices: "),
    "what the grid varies": (["plan", "quick", "--set", "trial.fusion=none"], "set grid.fusion, to a list of values"),
}


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)


@pytest.mark.parametrize(("text", "needed"), EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_an_experiment(text: str, needed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert main(["plan", "a.yaml"]) == 2
    told = capsys.readouterr().err
    assert needed in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(("arguments", "needed"), FLAGS.values(), ids=FLAGS)
def test_a_flag(arguments: list[str], needed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert needed in told
    assert told.count("\n") == 1


def test_a_key_that_holds_a_colon_in_quotes_is_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n'trial:x':\n")
    assert main(["plan", "a.yaml"]) == 2
    assert "unknown key 'trial:x'" in capsys.readouterr().err


def test_the_status_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "nothing was recorded in results/; `harness run fusion` records\n"
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {}


@pytest.mark.parametrize("arguments", [
    ["status", "--results", "small.yaml"], ["run", "quick", "--results", "small.yaml/below"],
    ["report", "--output", "small.yaml"], ["compare", "one", "two", "--picture", "small.yaml/a.png"],
], ids=" ".join)
def test_a_file_where_a_folder_is_expected(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.yaml").write_text("name: small\n")
    assert main(arguments) == 2
    assert "small.yaml is a file; expected a folder\n" in capsys.readouterr().err
    assert main(["compare", "one", "two", "--picture", "."]) == 2
    assert "--picture .: is a folder; expected the name of a file\n" in capsys.readouterr().err


def test_a_huge_photograph_raises_no_warning(tmp_path: Path) -> None:
    """Over 89 million pixels Pillow warns with a path of its own; here every warning is an error."""
    root = tree(tmp_path / "data")
    (root / "keypoints.csv").unlink()
    Image.new("1", (9500, 9500)).save(root / "0.png")
    assert main(["doctor", "--data", "folder", "--root", str(root), "--set", "side_px=16"]) == 0


def test_no_note_under_a_table_begins_like_a_failure() -> None:
    assert not [layout.name for layout in TABLES if layout.note.lower().startswith(("error", "warning", "fail"))]


def test_what_to_do_is_never_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "`hf download " + "x" * 90 + " --revision main`"
    assert shorten(f"{'word ' * 100}run {command}", 100).endswith(f"... {command}")
    assert shorten(f"run {command} {'word ' * 100}", 60).startswith(f"run {command} ...")
    assert shorten("as it is", 8) == "as it is"
    reason = f"{'a long reason ' * 40}; run {command}"

    def fail(*_: object) -> None:
        raise UsageError(reason)

    monkeypatch.setattr("harness.method.trial.run", fail)
    failed = run_task(RUN, Task("t", fake.spec(0)), lambda step: None)
    assert isinstance(failed, Failed)
    assert failed.reason == reason


def test_an_error_of_the_command_keeps_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "quick", "--set", f"trial.model={'x' * 3000}"]) == 2
    told = capsys.readouterr().err
    assert told.rstrip().endswith("tiny_zero123plus_weights, zero123plus, zero123plus_weights")
    assert len(told) < 2000
