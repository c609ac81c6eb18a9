"""Keypoints in space from one photograph, through the command and by hand."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from harness.__main__ import main
from harness.method import photograph
from harness.ops.geometry import project, zero123plus_cameras
from harness.ops.tensors import generator
from tests.report.evolution.conftest import recorded  # noqa: F401, a fixture


@pytest.fixture
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("my toy.png")
    Image.effect_noise((90, 60), 80).convert("RGB").save(path)
    return path


@pytest.mark.parametrize("settings", [{"fusion": "concat"}, {"localise_copies": 2}], ids=str)
def test_a_photograph_gives_points_views_and_a_turning_picture(recorded, image, capsys, settings):  # noqa: F811
    store, record = recorded(**settings, sampling_steps=2)
    arguments = ["keypoints3d", str(image), "--trial", record["id"], "--results", str(store.results)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "agreement  the six views differ by" in said
    folder = Path("my toy-3d")
    numbers = json.loads((folder / "keypoints.json").read_text())
    assert [len(point["xyz"]) for point in numbers["points"]] == [3] * record["spec"]["keypoints"]
    ply = (folder / "keypoints.ply").read_text().splitlines()
    assert f"element vertex {record['spec']['keypoints']}" in ply
    assert len(ply) == ply.index("end_header") + 1 + record["spec"]["keypoints"]
    with Image.open(folder / "turning.webp") as turning, Image.open(folder / "views.png") as views:
        assert turning.n_frames == 24
        assert views.size == (768, 384)
    before = (folder / "keypoints.json").read_bytes()
    assert main(arguments) == 0  # the same noise, the same points
    assert (folder / "keypoints.json").read_bytes() == before
    assert main([*arguments, "--seed", "1"]) == 0
    assert (folder / "keypoints.json").read_bytes() != before


def test_a_model_that_paints_no_views_and_what_is_no_picture_are_named(recorded, image, capsys):  # noqa: F811
    store, record = recorded(model="tiny_sd", data={"views": 1})
    arguments = ["--trial", record["id"], "--results", str(store.results)]
    assert main(["keypoints3d", str(image), *arguments]) == 2
    assert "only a model that paints six views from a condition image" in capsys.readouterr().err
    Path("no.png").write_text("no picture")
    assert main(["keypoints3d", "no.png", *arguments]) == 2
    assert main(["keypoints3d", "missing.png", *arguments]) == 2
    Path("full").mkdir()
    (Path("full") / "thesis.tex").write_text("mine")
    assert main(["keypoints3d", str(image), *arguments, "--output", "full"]) == 2
    assert not Path("no-3d").exists()


def test_points_that_agree_are_found_in_space():
    points_xyz = (torch.rand(5, 3, generator=generator("photograph")) - 0.5).double()
    points_yx = project(zero123plus_cameras(0.0), points_xyz)
    found = photograph._lifted("v1.2", torch.zeros(3, 8, 8), torch.zeros(6, 3, 64, 64), torch.arange(5), points_yx)
    torch.testing.assert_close(found.points_xyz, points_xyz, atol=1e-5, rtol=0)
    assert found.disagreement < 1e-6 < photograph.ROUGH
    scattered = photograph._lifted("v1.2", torch.zeros(3, 8, 8), torch.zeros(6, 3, 64, 64), torch.arange(5),
                                   torch.rand(6, 5, 2, generator=generator("scattered")).double())
    assert scattered.disagreement > photograph.ROUGH
