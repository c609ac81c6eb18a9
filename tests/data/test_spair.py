import json
from pathlib import Path

import pytest
import torch

from harness.data.spair import CATEGORIES, Spair
from harness.errors import UsageError
from harness.registry import build
from tests.data.pictures import picture, tear

PAIRS = {
    "trn": ["000001-2008_000001-2008_000002:cat", "000002-2008_000002-2008_000003:cat",
            "000003-2008_000009-2008_000008:dog"],
    "val": ["000004-2008_000004-2008_000005:cat"],
    "test": ["000005-2008_000006-2008_000007:cat", "000006-2008_000007-2008_000006:cat"],
}
KPS = {"0": [3, 4], "1": None, "5": [10, 0], "29": None}
BOX = [2, 1, 12, 7]
IMAGES = "JPEGImages/cat"
LABELS = "ImageAnnotation/cat"


def annotate(root: Path, name: str, kps: object = KPS, box: object = BOX) -> None:
    path = root / LABELS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"filename": f"{name}.jpg", "image_width": 20, "image_height": 10, "category": "cat",
                                "bndbox": box, "kps": kps, "truncated": 0, "azimuth_id": 3}))


@pytest.fixture
def root(tmp_path):
    for file, pairs in PAIRS.items():
        path = tmp_path / f"Layout/large/{file}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(pairs) + "\n")
    for number in range(1, 8):
        picture(tmp_path / IMAGES / f"2008_00000{number}.jpg")
        annotate(tmp_path, f"2008_00000{number}")
    return tmp_path


def spair(root: Path, **knobs: object) -> Spair:
    return build("data", "spair", {"root": str(root), "side_px": 40, **knobs})


def test_lists_are_the_images_of_a_categorys_pairs_each_once(root):
    data = spair(root, share_train=True)
    assert {name: [data.photos.files[row][-8:-4] for row in rows] for name, rows in data.photos.lists.items()} \
        == {"train": ["0001", "0002", "0003"], "val": ["0004", "0005"], "test": ["0006", "0007"]}
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [3, 3, 2]
    assert not {data.scene("optimise", i).name for i in range(3)} & {data.scene("test", i).name for i in range(2)}


def test_keypoints_are_the_ids_that_any_image_shows(root):
    annotate(root, "2008_000001", {"29": [1, 1]})
    assert spair(root).keypoint_names == ("0", "5", "29")


def test_points_lie_in_the_grey_square_around_the_image_and_errors_in_sides_of_the_box(root):
    scene = spair(root).scene("test", 0)
    # 20 x 10 px in a square of 20 with 5 px of grey above: pixel (4, 3) has its centre at (4.5 + 5, 3.5) / 20.
    expected = torch.tensor([[[9.5, 3.5], [5.5, 10.5]]]) / 20
    torch.testing.assert_close(scene.points_yx, expected)
    assert scene.visible.tolist() == [[True, True]]
    assert scene.normaliser_px.tolist() == [20.0]  # box of 10 x 6 px, at twice the size
    assert scene.views.shape == (1, 3, 40, 40)
    assert scene.views[0, :, 10, 0].min() > scene.views[0, :, 20, 30].max()  # the white pixel is where it is marked


@pytest.mark.parametrize("mode", ["L", "RGBA", "turned", "CMYK"])
def test_images_of_every_kind_show_the_same_points(root, mode):
    plain = spair(root).scene("test", 0)
    for name in ("6", "7"):
        picture(root / IMAGES / f"2008_00000{name}.jpg", mode=mode)
    again = spair(root, share_train=True).scene("test", 0)
    assert torch.equal(again.points_yx, plain.points_yx)
    assert torch.equal(again.normaliser_px, plain.normaliser_px)
    torch.testing.assert_close(again.views, plain.views, atol=0.15, rtol=0)  # JPEG


@pytest.mark.parametrize("place", [None, [-1, -1], [3, -1], [float("nan"), 2]])
def test_a_point_without_a_place_is_not_visible(root, place):
    annotate(root, "2008_000006", {"0": place, "5": [1, 2]})
    data = spair(root)
    row = data.photos.files.index(f"{IMAGES}/2008_000006.jpg")
    index = data.rows("test").tolist().index(row)
    assert data.scene("test", index).visible.tolist() == [[False, True]]
    assert torch.isfinite(data.scene("test", index).points_yx).all()


def test_rules_ask_for_pck_by_image():
    assert Spair.rules.by_image
    assert not Spair.rules.official
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 18


def write(path: str, text: str):
    return lambda root: (root / path).write_text(text)


def remove(path: str):
    return lambda root: (root / path).unlink()


def label(kps: object = KPS, box: object = BOX):
    return lambda root: annotate(root, "2008_000002", kps, box)


@pytest.mark.parametrize(("change", "message"), [
    (remove("Layout/large/test.txt"), r"Layout/large/test\.txt: cannot be read: No such file"),
    (write("Layout/large/trn.txt", ""), r"trn\.txt: empty"),
    (write("Layout/large/trn.txt", PAIRS["trn"][2]), r"trn\.txt: has no pair of category 'cat'"),
    (write("Layout/large/trn.txt", PAIRS["trn"][0] + "\n2-2008_000002:cat\n"), r"trn\.txt, line 2: .*expected <id>"),
    (write("Layout/large/trn.txt", "000001-2008_000001-2008_000002:unicorn"), r"trn\.txt, line 1: .*expected <id>"),
    (write("Layout/large/trn.txt", "1-../../../secret-2008_000002:cat"), r"trn\.txt, line 1: .*leads out of"),
    (write("Layout/large/trn.txt", "1-2008_000001-2008_000099:cat"), r"cat/2008_000099\.json: cannot be read"),
    (write("Layout/large/trn.txt", "1-2008_000001-2008_000007:cat"), r"image '2008_000007' \(cat\) is in both"),
    (remove(f"{IMAGES}/2008_000002.jpg"), r"2008_000002\.jpg: missing, listed in Layout/large \(1 of 7"),
    (write(f"{IMAGES}/2008_000002.jpg", ""), r"2008_000002\.jpg: empty"),
    (write(f"{LABELS}/2008_000002.json", ""), r"2008_000002\.json: empty"),
    (write(f"{LABELS}/2008_000002.json", '{"kps": {"0": [1'), r"2008_000002\.json: not a JSON file"),
    (write(f"{LABELS}/2008_000002.json", "[1, 2]"), r"2008_000002\.json: needs kps"),
    (label(kps=[[1, 2]]), r"2008_000002\.json: needs kps"),
    (label(kps={"nose": [1, 2]}), r"2008_000002\.json, kps: 'nose' is no keypoint's id"),
    (label(kps={"3": [1, 2, 3]}), r"2008_000002\.json, kps 3: \[1, 2, 3\]: expected 2 numbers"),
    (label(kps={"3": [1, "2"]}), r"2008_000002\.json, kps 3: .*expected 2 numbers"),
    (label(box=[1, 2, 3]), r"2008_000002\.json, bndbox: .*expected 4 numbers"),
    (label(box=[5, 2, 5, 8]), r"2008_000002\.json, bndbox: .*is no box"),
])
def test_what_is_wrong_is_told_in_one_line_that_names_the_file(root, change, message):
    change(root)
    with pytest.raises(UsageError, match=message) as caught:
        spair(root).size("test")
    assert "\n" not in str(caught.value)


def test_a_category_that_is_not_there_is_named(root):
    with pytest.raises(UsageError, match="ImageAnnotation/dog is missing"):
        spair(root, category="dog").size("test")
    with pytest.raises(UsageError, match="did you mean 'dog'"):
        spair(root, category="dogs")


def test_a_torn_image_is_named_when_it_is_seen_and_by_the_survey(root):
    tear(root / IMAGES / "2008_000006.jpg")
    data = spair(root)
    with pytest.raises(UsageError, match=r"2008_000006\.jpg: cannot be read"):
        [data.scene("test", i) for i in range(2)]
    survey = data.survey()
    assert survey.found[0].startswith("7 photographs in ")
    assert "published list 'val': 2" in survey.found
    assert any("2 keypoints, 100% of them visible" in line for line in survey.found)
    assert len(survey.missing) == 1
    assert "2008_000006.jpg" in survey.missing[0]


def test_the_fingerprint_follows_labels_not_the_folder(root, tmp_path_factory):
    before = spair(root).fingerprint()
    moved = root.rename(tmp_path_factory.mktemp("moved") / "spair")
    assert spair(moved).fingerprint() == before
    annotate(moved, "2008_000001", {**KPS, "0": [3, 5]})
    again = moved.rename(tmp_path_factory.mktemp("again") / "spair")
    assert spair(again).fingerprint() != before
