"""The command `doctor`: this machine, and the folder of a dataset."""

import json

import pytest

from harness.__main__ import main
from tests.data.test_folder import tree
from tests.models import layouts

EXPERIMENT = "name: mine\ntrial:\n  data: {name: figures, views: 1, side_px: 32}\n  view_scenes: 0\n"
SEARCH = """search:
  sampler: random
  space: {model: [tiny_sd, {name: sd15, path: PATH}]}
  budget: {trials: 2}
"""


def test_the_machine_is_described(capsys):
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "model tiny_sd: its files are here" in told
    assert "data figures: needs no files" in told


def test_a_whole_folder(capsys, tmp_path):
    assert main(["doctor", "--data", "folder", "--root", str(tree(tmp_path)), "--set", "side_px=64"]) == 0
    told = capsys.readouterr().out
    assert "8 photographs" in told
    assert told.endswith("nothing is missing\n")


def test_photographs_without_keypoints_are_no_problem(capsys, tmp_path):
    table = tree(tmp_path / "some") / "keypoints.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith("2.png")))
    assert main(["doctor", "--data", "folder", "--root", str(tmp_path / "some")]) == 0
    assert "1 photographs show no keypoint: that is allowed, they are not scored" in capsys.readouterr().out
    (tree(tmp_path / "none") / "keypoints.csv").unlink()
    assert main(["doctor", "--data", "folder", "--root", str(tmp_path / "none")]) == 0
    told = capsys.readouterr().out
    assert "no keypoints: that is allowed; PCK and every other score against keypoints is left out" in told
    assert "problem" not in told


def test_what_is_wrong_is_named_and_counts(capsys, tmp_path):
    tree(tmp_path)
    (tmp_path / "2.png").write_bytes(b"torn")
    assert main(["doctor", "--data", "folder", "--root", str(tmp_path), "--json"]) == 1
    assert "2.png: cannot be read" in json.loads(capsys.readouterr().out)["missing"][0]


@pytest.mark.parametrize(("args", "message"), [
    (["--root", "x"], "name it with --data"),
    (["--data", "folder", "--root", "/no/such"], "there is no folder /no/such"),
    (["--data", "foldr"], "did you mean 'folder'"),
    (["--data", "folder", "--set", "side"], "expected KNOB=VALUE"),
    (["--data", "folder", "--set", "sidepx=3"], "has no knob 'sidepx'; did you mean 'side_px'"),
])
def test_a_wrong_word_is_one_line(capsys, args, message):
    assert main(["doctor", *args]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_knob_is_read_as_an_experiments_file_would_be(capsys, tmp_path):
    assert main(["doctor", "--data", "folder", "--root", str(tree(tmp_path)), "--set", "test_share=2e-1"]) == 0
    assert main(["doctor", "--data", "folder", "--root", str(tmp_path), "--set", "side_px=[1"]) == 2
    assert "--set side_px=[1: not valid YAML" in capsys.readouterr().err


def experiment(tmp_path, *models, tail=""):
    grid = f"grid:\n  model: [{', '.join(models)}]\n" if models else ""
    (tmp_path / "mine.yaml").write_text(EXPERIMENT + grid + tail)
    return str(tmp_path / "mine.yaml")


def folder_of(random_folders, tmp_path, **changes):
    """A folder as wide as Stable Diffusion's tokens, so far as its configuration says."""
    folder = layouts.copy(random_folders["tiny_sd"], tmp_path / "model")
    layouts.edit(folder / "unet" / "config.json", cross_attention_dim=768, **changes)
    layouts.edit(folder / "text_encoder" / "config.json", hidden_size=768)
    return folder


def test_the_models_that_an_experiment_names_are_checked(capsys, tmp_path, random_folders):
    folder = folder_of(random_folders, tmp_path)
    assert main(["doctor", experiment(tmp_path, "tiny_sd", f"{{name: sd15, path: {folder}}}")]) == 0
    told = capsys.readouterr().out
    assert told == (f"model tiny_sd: its files are here\nmodel sd15 {folder}: its files are here\n"
                    "no problem found\n")


@pytest.mark.parametrize("searched", [False, True])
def test_a_model_folder_that_cannot_be_used_is_named(capsys, tmp_path, random_folders, searched):
    folder = folder_of(random_folders, tmp_path, dual_cross_attention=True)
    path = (experiment(tmp_path, tail=SEARCH.replace("PATH", str(folder))) if searched
            else experiment(tmp_path, "tiny_sd", f"{{name: sd15, path: {folder}}}"))
    assert main(["doctor", path, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["found"] == ["model tiny_sd: its files are here"]
    assert report["missing"] == [f"model folder {folder}: unet/config.json: dual_cross_attention is True (dual "
                                 "cross-attention): not supported"]


def test_a_model_path_that_is_nowhere_is_named(capsys, tmp_path):
    setting = "trial.model={name: sd15, path: /no/such/folder}"
    assert main(["doctor", experiment(tmp_path), "--set", setting]) == 1
    assert "problem: model 'sd15': path '/no/such/folder' is no folder" in capsys.readouterr().out


def test_an_experiment_and_a_dataset_are_two_calls(capsys, tmp_path):
    assert main(["doctor", experiment(tmp_path), "--data", "folder"]) == 2
    assert "in two calls" in capsys.readouterr().err
