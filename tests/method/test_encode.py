import os

import pytest
import torch

from harness.data.base import Dataset, Rules, Scene
from harness.data.folder import Folder
from harness.errors import UsageError
from harness.method.encode import CHUNK, Encoder
from harness.models.pipelines.diffusion import Diffusion
from tests.data.test_folder import tree

WARPS = (2, 15.0, 0.8, 0.25)


class Halver(Diffusion):
    """Stands for a model: latents are the images at half their size; counts what it is asked to encode."""

    device = torch.device("cpu")
    needs_condition = False
    side_multiple = 1

    def __init__(self):
        self.encoded = 0

    def encode(self, images):
        self.encoded += images.shape[0] * images.shape[1]
        return images[..., ::2, ::2]


class Numbered(Dataset):
    """Scenes that tell their number; from ``bare`` on they lack cameras' stand-in, 3D points."""

    keypoint_names = ("only",)
    views = 1
    rules = Rules(normaliser="number", official="visible")

    def __init__(self, bare=1000, wide=1000):
        self.bare, self.wide, self.stamps = bare, wide, {}

    def scene(self, split, index):
        side = 8 if index < self.wide else 16
        return Scene(f"{split}/{index}", torch.full((1, 3, side, side), index / 100), None, torch.full((1, 1, 2), 0.5),
                     torch.ones(1, 1, dtype=torch.bool), torch.tensor([float(index)]),
                     points_xyz=torch.zeros(1, 3) if index < self.bare else None)

    def size(self, split):
        return None

    def fingerprint(self):
        return "numbered"

    def stamp(self, split, index):
        return self.stamps.get(index, "")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "latents"


def encoded(data, count, warps=None, name="test"):
    model = Halver()
    return Encoder(model, data, "key").split(name, count, warps), model.encoded


def test_scenes_keep_their_order_over_chunks(cache):
    split, count = encoded(Numbered(), 2 * CHUNK + 3)
    assert count == 2 * CHUNK + 3
    assert split.normaliser_px[:, 0].tolist() == list(range(2 * CHUNK + 3))
    assert torch.allclose(split.latents[:, 0, 0, 0, 0], torch.arange(2 * CHUNK + 3) / 100)
    assert split.size_px == (8, 8)
    assert split.rules.official == "visible"
    assert len(list(cache.iterdir())) == 3


def test_a_larger_split_encodes_only_what_a_smaller_one_lacked():
    small, _ = encoded(Numbered(), 2 * CHUNK, WARPS)
    large, count = encoded(Numbered(), 3 * CHUNK, WARPS)
    assert count == CHUNK * 3  # an image and two copies each
    assert torch.equal(large.warped[: 2 * CHUNK], small.warped)
    again, count = encoded(Numbered(), 3 * CHUNK, WARPS)
    assert count == 0
    assert torch.equal(again.theta, large.theta)


@pytest.mark.parametrize("copied", [1, CHUNK, CHUNK + 3, 5 * CHUNK])
def test_copies_of_the_first_scenes_alone_are_those_of_a_split_that_has_all(copied):
    part, all_of_it = (Encoder(Halver(), Numbered(), "key").split("test", 3 * CHUNK, WARPS, n) for n in (copied, 0))
    expected = min(copied, 3 * CHUNK)
    assert len(part) == len(part.truth_yx) == 3 * CHUNK
    assert len(part.warped) == len(part.theta) == expected
    assert torch.equal(part.latents, all_of_it.latents)
    assert torch.equal(part.warped, all_of_it.warped[:expected])
    assert torch.equal(part.theta, all_of_it.theta[:expected])


def test_copies_that_no_scene_has_are_not_encoded():
    model = Halver()
    Encoder(model, Numbered(), "key").split("test", 3 * CHUNK, WARPS, 5)
    assert model.encoded == CHUNK * (1 + WARPS[0]) + 2 * CHUNK  # the first chunk whole, the others' views


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_chunk_is_made_again(cache, damage):
    whole, _ = encoded(Numbered(), CHUNK)
    (file,) = cache.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-5] ^= 0x40
    file.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b""}[damage])
    again, count = encoded(Numbered(), CHUNK)
    assert count == CHUNK
    assert torch.equal(again.latents, whole.latents)
    assert encoded(Numbered(), CHUNK)[1] == 0


def test_a_chunk_older_than_its_images_is_made_again():
    data = Numbered()
    encoded(data, 2 * CHUNK)
    data.stamps[CHUNK + 1] = "changed"
    assert encoded(data, 2 * CHUNK)[1] == CHUNK


def test_an_image_replaced_on_disk_is_encoded_again(tmp_path):
    data = Folder(root=str(tree(tmp_path / "own")), side_px=16)
    encoded(data, 2)
    assert encoded(data, 2)[1] == 0
    path = tmp_path / "own" / data.scene("test", 1).name.removeprefix("folder/")
    os.utime(path, ns=(1, 1))
    assert encoded(data, 2)[1] == 2


def test_scenes_that_differ_in_what_they_have_are_named():
    with pytest.raises(UsageError, match="scene test/3 has no 3D keypoints, others have"):
        encoded(Numbered(bare=3), 5)
    with pytest.raises(UsageError, match=f"scenes {CHUNK} to {CHUNK + 4} and the first ones do not both have: points"):
        encoded(Numbered(bare=CHUNK), CHUNK + 5)
    with pytest.raises(UsageError, match="differ from the first ones in the shape of their latents"):
        encoded(Numbered(wide=CHUNK), CHUNK + 5, name="fit")
