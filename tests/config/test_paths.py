"""One folder has one spelling in a setting, whichever way it was written: a trial's id hashes the setting."""

from pathlib import Path

import pytest

from harness import registry
from harness.config.load import load
from harness.config.spec import TrialSpec
from tests.data.test_folder import tree

KNOBS = {"data.root": "{{name: folder, root: '{}'}}", "model.path": "{{name: sd15, path: '{}'}}"}
SPELLINGS = ("photos", "./photos", "photos/", "sub/../photos", "~/photos", "link", "{here}/photos", "{here}/photos/")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    tree(tmp_path / "photos")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("photos")
    return tmp_path


def spec(knob: str, place: str) -> TrialSpec:
    setting = knob.partition(".")[0]
    return load("quick", [f"trial.{setting}={KNOBS[knob].format(place)}", "grid={}", "report={}"]).trials[0]


@pytest.mark.parametrize("knob", KNOBS)
def test_every_spelling_of_a_folder_gives_one_id(knob: str, here: Path) -> None:
    specs = [spec(knob, place.format(here=here)) for place in SPELLINGS]
    assert len({each.id("d", "w") for each in specs}) == 1
    setting, _, name = knob.partition(".")
    assert getattr(specs[0], setting).knobs[name] == str(here / "photos")


@pytest.mark.parametrize("knob", KNOBS)
def test_a_dotted_setting_is_spelled_alike(knob: str, here: Path) -> None:
    first = knob.partition(".")[0]
    choice = KNOBS[knob].partition(",")[0].replace("{{", "{") + "}"
    dotted = load("quick", [f"trial.{first}={choice}", f"trial.{knob}=./photos/", "grid={}", "report={}"]).trials[0]
    assert dotted == spec(knob, str(here / "photos"))


@pytest.mark.parametrize("name", ["owner/name", "", "no/such/folder", "~nobody-of-this-name/x"])
def test_a_hub_repository_stays_as_it_is(name: str) -> None:
    assert spec("model.path", name).model.knobs["path"] == name


def test_a_dataset_that_is_built_without_an_experiment_has_it_too(here: Path) -> None:
    assert registry.build("data", "folder", {"root": "link/"}).root == str(here / "photos")


def test_two_spellings_are_one_value_of_an_axis(capsys: pytest.CaptureFixture[str]) -> None:
    from harness.__main__ import main

    assert main(["plan", "quick", "--set", "trial.data=folder", "--set", "grid.data.root=[photos, link]"]) == 2
    assert "is listed twice" in capsys.readouterr().err


def test_a_report_may_spell_a_folder_in_any_way(here: Path) -> None:
    data = ["trial.data={name: folder, root: photos}", "grid={tokens: [16, 32]}"]
    nested = load("quick", [*data, "report={baseline: {data: {name: folder, root: ./photos/}, tokens: 16}}"]).report
    assert nested.baseline == {"data": {"name": "folder", "root": str(here / "photos")}, "tokens": 16}
    figure = "report={published: [{score: nme, value: 1, source: Someone, setting: {data.root: ~/photos}}]}"
    assert load("quick", [*data, figure]).report.published[0].setting == {"data.root": str(here / "photos")}


def test_where_may_spell_a_folder_in_any_way(here: Path) -> None:
    from harness.cli import _lookup

    assert _lookup._equals(str(here / "photos"), "link/")
    assert not _lookup._equals(str(here / "photos"), "sub")
