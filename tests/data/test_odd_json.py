"""Data sets whose labels are JSON: an odd value anywhere is read, or named in one line."""

import itertools
import json
from functools import partial

import pytest

from harness.registry import build
from tests.data import test_deepfashion, test_spair, test_taichi
from tests.data.keypointnet_tree import keypointnet_tree
from tests.data.objaverse_tree import objaverse_tree
from tests.data.odd_json import refusals

spair_root, deepfashion_root, taichi_root = test_spair.root, test_deepfashion.root, test_taichi.root


def reader(name, root, **knobs):
    """Read the index anew, under another name each time, since data sets keep what they read of a folder."""
    counter = itertools.count()

    def read():
        moved = root.rename(root.with_name(f"{root.name}-{next(counter)}"))
        try:
            build("data", name, {"root": str(moved), **knobs}).size("test")
        finally:
            moved.rename(root)

    return read


def test_spair_kps(spair_root):
    file = spair_root / "ImageAnnotation/cat/2008_000001.json"
    assert refusals(file, reader("spair", spair_root, side_px=40)) > 50


def test_deepfashion_entries(deepfashion_root):
    assert refusals(deepfashion_root / "data_test.json", reader("deepfashion", deepfashion_root, side_px=64)) > 50


def test_taichi_frames(taichi_root):
    file = taichi_root / "landmark/taichi_test_gt.json"
    rows = [{"file_name": f"test{n}.png", "value": test_taichi.points(n).tolist()} for n in range(2)]
    file.write_text(json.dumps(rows))
    file.with_suffix(".pkl").unlink()
    assert refusals(file, reader("taichi", taichi_root, side_px=64)) > 50


@pytest.mark.parametrize(("name", "tree", "file"), [
    ("keypointnet", partial(keypointnet_tree, train=2, test=1), "annotations/chair.json"),
    ("objaverse", objaverse_tree, "lvis-annotations.json")])
def test_meshes(name, tree, file, tmp_path):
    root = tree(tmp_path)
    assert refusals(root / file, reader(name, root, side_px=32)) > 20
