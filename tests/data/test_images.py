import os

import numpy as np
import pytest
import torch
from PIL import Image

from harness.data import _images, _pixels
from harness.errors import UsageError


def painted(path, mode="RGB", size=(8, 6), colour=None, **saving):
    colour = colour if colour is not None else {"RGB": (255, 0, 0), "RGBA": (255, 0, 0, 0), "L": 51}.get(mode, 0)
    Image.new(mode, size, colour).save(path, **saving)
    return path


def test_a_transparent_picture_is_seen_over_grey(tmp_path):
    image = _images.open_rgb(painted(tmp_path / "a.png", "RGBA"))
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize(("mode", "expected"), [("L", (51, 51, 51)), ("1", (0, 0, 0)), ("P", (0, 0, 0))])
def test_other_modes_become_rgb(tmp_path, mode, expected):
    assert _images.open_rgb(painted(tmp_path / "a.png", mode)).getpixel((0, 0)) == expected


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    Image.fromarray(np.full((4, 4), 257 * 40, np.uint16)).save(tmp_path / "a.png")
    assert _images.open_rgb(tmp_path / "a.png").getpixel((0, 0)) == (40, 40, 40)


def test_a_camera_held_upright_is_turned_and_its_size_too(tmp_path):
    image = Image.new("RGB", (8, 6))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: top left goes to top right
    image.save(tmp_path / "a.png", exif=exif)
    assert _images.size_px(tmp_path / "a.png") == (8, 6)
    turned = _images.open_rgb(tmp_path / "a.png")
    assert turned.size == (6, 8)
    assert turned.getpixel((5, 0)) == (255, 255, 255)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for opened in (_images.open_rgb, _images.size_px):
        with pytest.raises(UsageError, match=r"bad\.png: cannot be read"):
            opened(path)


def test_a_picture_cut_short_is_named(tmp_path):
    path = tmp_path / "torn.png"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"torn\.png: cannot be read"):
        _images.open_rgb(path)


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "b/../../a.png", "C:\\a.png", "..\\a.png", ""])
def test_a_path_out_of_the_root_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"list\.txt: .* leads out of"):
        _images.path_inside(tmp_path, name, "list.txt")


def test_a_path_inside_is_kept_with_forward_slashes(tmp_path):
    assert _images.path_inside(tmp_path, "a\\b.png", "list.txt") == "a/b.png"
    assert _images.path_inside(tmp_path, "./a/b.png", "list.txt") == "a/b.png"


def test_sizes_name_the_missing_and_the_empty(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"")
    assert _images.file_sizes(tmp_path, ["d/a"], "list") == [3]
    with pytest.raises(UsageError, match=r"c: missing, listed in list \(2 of 3 images are\)"):
        _images.file_sizes(tmp_path, ["d/a", "c", "e/f"], "list")
    with pytest.raises(UsageError, match=r"b: empty, listed in list"):
        _images.file_sizes(tmp_path, ["d/a", "b"], "list")


def test_a_square_keeps_the_centre_and_scales_both_axes_alike():
    assert _images.square_around(np.array([10, 20, 20, 40])) == (5, 20, 20)
    assert _images.square_around(np.array([10, 20, 20, 40]), 0.1) == (3, 18, 24)


def test_cutting_lands_where_points_do_and_pads_with_grey():
    image = Image.new("RGB", (10, 10), (0, 0, 0))
    image.paste((255, 255, 255), (6, 2, 8, 4))  # centre (row, column) = (3, 7)
    square = (-2.0, 2.0, 10.0)  # rows -2 to 8, columns 2 to 12
    pixels = _pixels.cut_square(image, square, 20)
    assert pixels.shape == (3, 20, 20)
    assert torch.allclose(pixels[:, :3, :], torch.tensor(127 / 255), atol=0.05)  # bicubic edges overshoot
    assert torch.allclose(pixels[:, :, 17:], torch.tensor(127 / 255), atol=0.05)
    row, column = round((3 + 2) / 10 * 20), round((7 - 2) / 10 * 20)
    assert pixels[0, row - 1 : row + 1, column - 1 : column + 1].min() > 0.95
    assert pixels[0, row + 4, column] < 0.05


def test_shrinking_averages_what_it_leaves_out():
    rows = np.indices((64, 64)).sum(0) % 2 * 255
    image = Image.fromarray(np.repeat(rows[..., None], 3, 2).astype(np.uint8))
    small = _pixels.cut_square(image, (0.0, 0.0, 64.0), 8)
    assert (small - 0.5).abs().max() < 0.05


def test_a_folder_is_looked_for_in_both_places(tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UsageError, match=r"data 'cub': no folder named; .* get it from here"):
        _images.data_root("cub", "", "here")
    monkeypatch.setenv("HARNESS_DATA", os.fspath(tmp_path))
    with pytest.raises(UsageError, match=r"there is no folder .*cub"):
        _images.data_root("cub", "", "here")
    (tmp_path / "cub").mkdir()
    assert _images.data_root("cub", "", "here") == tmp_path / "cub"
    assert _images.data_root("cub", os.fspath(tmp_path), "here") == tmp_path
    with pytest.raises(UsageError, match=r"b\.txt is missing"):
        _images.require_files(tmp_path, ["cub", "b.txt"], "here")
