"""The command `doctor`: this machine, and the folder of a dataset."""

import json

import pytest

from harness.__main__ import main
from tests.data.test_folder import tree


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
