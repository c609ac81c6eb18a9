import numpy as np
import pytest
import torch
from PIL import Image

from harness.app import photograph
from harness.app.photograph import square
from harness.errors import UsageError


def test_the_central_square_is_cut_and_scaled(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    cut = square(tmp_path / "a.png", 32)
    assert torch.equal(cut, torch.ones(3, 32, 32))


@pytest.mark.parametrize(("name", "content", "words"), [
    ("notes.png", b"these are words", "notes.png: cannot be read"),
    ("empty.jpg", b"", "empty.jpg: cannot be read: empty"),
])
def test_what_is_no_picture_is_named_without_its_folder(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=words) as told:
        square(tmp_path / name, 32)
    assert str(tmp_path) not in str(told.value)


def test_a_torn_picture_is_named(tmp_path):
    path = tmp_path / "torn.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UsageError, match=r"torn\.png: cannot be read"):
        square(path, 32)


def test_limits_of_bytes_pixels_and_sides(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (100, 10)).save(path)
    with pytest.raises(UsageError, match="100 x 10 pixels; a side needs at least 16"):
        square(path, 32)
    monkeypatch.setattr(photograph, "MOST_PIXELS", 999)
    with pytest.raises(UsageError, match="100 x 10 pixels; at most"):
        square(path, 32)
    monkeypatch.setattr(photograph, "MOST_BYTES", 10)
    with pytest.raises(UsageError, match="MB are taken"):
        square(path, 32)
    with pytest.raises(UsageError, match=r"gone\.png: there is no such file"):
        square(tmp_path / "gone.png", 32)
