"""Background removal: pictures and keypoints in a folder of their own, and one line for what is missing."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import cut_out

from harness.data.folder import Folder


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name, colour in (("a.jpg", "red"), ("sub/b.png", "blue")):
        Image.new("RGB", (40, 20), colour).save(root / name)
    (root / "keypoints.csv").write_text("image,keypoint,x,y,visible\na.jpg,nose,10,5,1\na.jpg,tail,30,5,0\n"
                                        "sub/b.png,nose,,,\n")
    return root


@pytest.fixture
def rembg(monkeypatch):
    """A stand-in for rembg that makes the left half transparent, and the models that were asked for."""
    module, asked = ModuleType("rembg"), []

    def remove(image, session):
        rgba = np.array(image.convert("RGBA"))
        rgba[:, : rgba.shape[1] // 2, 3] = 0
        return Image.fromarray(rgba)

    def new_session(model):
        asked.append(model)
        if model == "gone":
            raise ConnectionError("Max retries exceeded\nwith url")
        return model

    module.remove, module.new_session = remove, new_session
    monkeypatch.setitem(sys.modules, "rembg", module)
    return asked


def test_pictures_are_transparent_and_keypoints_come_along(photos, rembg, tmp_path, capsys):
    target = tmp_path / "cut"
    assert cut_out.main([str(photos), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"2 pictures cut out, 0 there already, 0 failed: {target}\n"
    picture = np.array(Image.open(target / "a.png"))
    assert (picture[:, :20, 3] == 0).all()
    assert (picture[:, 20:, 3] == 255).all()
    before, after = Folder(root=str(photos)).photos, Folder(root=str(target)).photos
    assert after.files == ("a.png", "sub/b.png")
    assert after.names == before.names
    np.testing.assert_array_equal(after.points_yx_px, before.points_yx_px)
    np.testing.assert_array_equal(after.visible, before.visible)


def test_what_is_there_is_kept(photos, rembg, tmp_path, capsys):
    target = tmp_path / "cut"
    cut_out.main([str(photos), "--to", str(target)])
    Image.new("RGBA", (40, 20)).save(target / "a.png")
    (target / "sub" / "b.png").unlink()
    assert cut_out.main([str(photos), "--to", str(target)]) == 0
    assert "1 pictures cut out, 1 there already, 0 failed" in capsys.readouterr().out
    assert not np.array(Image.open(target / "a.png")).any()


def test_a_broken_photograph_is_skipped_and_said(photos, rembg, tmp_path, capsys):
    (photos / "a.jpg").write_bytes(b"no image")
    assert cut_out.main([str(photos), "--to", str(tmp_path / "cut")]) == 1
    shown = capsys.readouterr()
    assert "skipped: image" in shown.err
    assert "1 pictures cut out, 0 there already, 1 failed" in shown.out


@pytest.mark.parametrize(("arguments", "message"), [
    (["{photos}", "--to", "{photos}"], "choose a folder outside"),
    (["{photos}", "--to", "{photos}/cut"], "choose a folder outside"),
    (["{photos}/sub", "--to", "{photos}"], "choose a folder outside"),
    (["{photos}/none", "--to", "{tmp}/cut"], "there is no such folder"),
    (["{photos}", "--to", "{tmp}/cut", "--model", "gone"],
     "rembg's model 'gone' cannot be opened: Max retries exceeded; run this once where rembg can download it"),
])
def test_wrong_input_is_one_line(arguments, message, photos, rembg, tmp_path, capsys):
    before = sorted(path for path in photos.rglob("*"))
    assert cut_out.main([text.format(photos=photos, tmp=tmp_path) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path for path in photos.rglob("*")) == before


def test_a_missing_tool_is_one_line(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rembg", None)
    assert cut_out.main([str(photos), "--to", str(tmp_path / "cut")]) == 2
    assert "pip install -e '.[matting]'" in capsys.readouterr().err


def test_two_photographs_that_would_become_one_picture_are_refused(photos, rembg, tmp_path, capsys):
    Image.new("RGB", (40, 20)).save(photos / "a.png")
    assert cut_out.main([str(photos), "--to", str(tmp_path / "cut")]) == 2
    assert "'a.jpg' and 'a.png' would both become 'a.png'" in capsys.readouterr().err
