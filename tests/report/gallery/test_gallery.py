"""The gallery of recorded trials: pages that fetch nothing, a folder per trial, and only what changed is written."""

import io
import json
import re
import shutil
import time
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.report.gallery.scenes import canvas, layout, picture
from tests.report import stores
from tests.report.html.test_pages import Reader
from tests.runner.executors import fake


@pytest.fixture
def gallery(tmp_path, capsys):
    """Return a function that runs the command on made-up trials and returns the folder and what it printed."""
    stores.study(tmp_path, seeds=2)
    stores.add(tmp_path, seed=7, status="failed")

    def run(*arguments):
        assert main(["gallery", "fake", "--results", str(tmp_path), *arguments]) == 0
        return tmp_path / "fake" / "gallery", capsys.readouterr().out

    return run


def states(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != "lock.json"}


def test_every_address_leads_to_a_file_and_nothing_is_fetched(gallery):
    folder, out = gallery()
    assert "6 trials: 6 folders written" in out
    pages = [folder / "index.html", *folder.glob("pages/*/index.html")]
    assert len(pages) == 7
    for page in pages:
        found = Reader(page.read_text())
        local = [address for address in found.links + found.sources if not address.startswith("#")]
        assert all((page.parent / unquote(address)).is_file() for address in local), local
        assert len(found.ids) == len(set(found.ids))
    index = (folder / "index.html").read_text()
    assert [name in index for name in ("none", "concat", "blend", "seed 0", "seed 1")] == [True] * 5
    assert "made up" in index  # the reason of the failed trial


def test_a_trials_folder_holds_metadata_description_and_copies(gallery, tmp_path):
    folder, _ = gallery()
    for place in (folder / "pages").iterdir():
        data = json.loads((place / "metadata.json").read_text())
        assert data["trial"] == place.name
        assert data["spec"]["seed"] == data["seed"]
        source = tmp_path / "fake" / "trials" / place.name / "panel.png"
        assert (place / "panel.png").read_bytes() == source.read_bytes()
        assert (place / "panel.png").stat().st_ino != source.stat().st_ino  # an edit must not reach the record
        text = (place / "description.txt").read_text()
        assert re.search(r"in the \w+ \w+ of the view|in the middle of the view", text)


def test_a_second_call_writes_only_what_changed(gallery, tmp_path):
    folder, _ = gallery()
    before = states(folder)
    _, out = gallery()
    assert "0 folders written, 0 removed, 6 unchanged" in out
    assert states(folder) == before
    gone = next(path for path in (tmp_path / "fake" / "trials").iterdir()
                if json.loads((path / "record.json").read_text())["status"] == "finished")
    shutil.rmtree(gone)
    _, out = gallery()
    assert "5 trials: 0 folders written, 1 removed" in out
    assert gone.name not in (folder / "index.html").read_text()


def test_a_folder_that_is_no_gallery_is_left_alone(gallery, tmp_path, capsys):
    own = tmp_path / "site"
    (own / "pages" / "mine").mkdir(parents=True)
    (own / "index.html").write_text("mine")
    assert main(["gallery", "fake", "--results", str(tmp_path), "--output", str(own)]) == 2
    assert "name a new folder" in capsys.readouterr().err
    assert (own / "index.html").read_text() == "mine"
    assert (own / "pages" / "mine").is_dir()


def test_an_unknown_experiment_and_a_wrong_number_of_scenes_are_named(tmp_path, capsys):
    stores.add(tmp_path)
    assert main(["gallery", "fak", "--results", str(tmp_path)]) == 2
    assert "did you mean 'fake'" in capsys.readouterr().err
    assert main(["gallery", "fake", "--results", str(tmp_path), "--scenes", "0"]) == 2


def test_scenes_show_recorded_points_where_they_are():
    views = np.full((6, 3, 32, 32), 0.5, np.float32)
    scene = canvas(views)
    assert layout(6) == (2, 3)
    points = {name: np.asarray(column) for name, column in stores.points(
        np.full((1, 6, 1), 20.0), visible=np.zeros((1, 6, 1), bool), truth_y=[0.5] * 6, truth_x=[0.5] * 6,
        found_y=[0.5] * 6, found_x=[0.25] * 6).items()}
    drawn, score = picture(scene, points, 0)
    assert np.isnan(score)  # no point is visible
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB")).astype(int)
    for view in range(6):
        y, x = (view // 3 + 0.5) / 2 * pixels.shape[0], (view % 3 + 0.25) / 3 * pixels.shape[1]
        red = pixels[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
        assert (red[..., 0] - red[..., 2]).max() > 80, view


def test_the_evolution_of_a_trial_enters_its_folder(tmp_path, random_models, capsys, monkeypatch):
    from harness.method import evolution, trial
    from harness.store.store import Store
    from tests.conftest import small_spec

    monkeypatch.setattr(evolution, "NOISE", (1.0, 0.5))
    spec = small_spec(model="tiny_sd", data={"views": 1}, steps=0)
    result, store = trial.run(spec), Store(tmp_path, "one")
    identity = spec.id(result.fingerprints["data"], result.fingerprints["weights"])
    store.save(identity, spec, result, {}, {})
    folder = tmp_path / "one" / "gallery"
    assert main(["gallery", "one", "--results", str(tmp_path)]) == 0
    assert (folder / "pages" / identity / "scene-002.webp").is_file()  # of 3 test scenes
    assert main(["gallery", "one", "--results", str(tmp_path), "--evolution", "--scenes", "2"]) == 0
    assert "1 trial: 1 folders written" in capsys.readouterr().out
    names = {path.name for path in (folder / "pages" / identity).iterdir()}
    assert {"localising_pass.webp", "view_pass.gif", "curves.svg", "evolution.json", "scene-001.webp"} <= names
    assert not {"scene-002.webp", "maps.safetensors"} & names
    assert "Token" in (folder / "pages" / identity / "description.txt").read_text()
    assert "evolution" in (folder / "index.html").read_text()


@pytest.mark.slow
def test_a_thousand_trials_take_seconds(tmp_path, capsys, monkeypatch):
    from harness.store import atomic_files
    from harness.store.store import Store

    monkeypatch.setattr(atomic_files.os, "fsync", lambda descriptor: None)  # of making the records
    store = Store(tmp_path, "many")
    for seed in range(1000):
        spec = fake.spec(seed % 5, setting=seed // 5)
        store.save(spec.id("d0", "w0"), spec, fake.result(spec), {"panel": b"png"}, {})
    for seconds, words in ((30.0, "1000 folders written"), (10.0, "1000 unchanged")):
        started = time.process_time()
        assert main(["gallery", "many", "--results", str(tmp_path)]) == 0
        assert time.process_time() - started < seconds
        assert words in capsys.readouterr().out
    assert (tmp_path / "many" / "gallery" / "index.html").read_text().count("<tr>") == 201
