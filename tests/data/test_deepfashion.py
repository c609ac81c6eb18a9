import json
from pathlib import Path

import pytest
import torch

from harness.errors import UsageError
from harness.registry import build
from tests.data.pictures import picture, tear

SIDE = 32  # of the fixture's files, whose points are those of 256 px
FILES = {"train": ["WOMEN/a_1.jpg", "WOMEN/b,2.jpg", "MEN/c_1.jpg", "MEN/d_1.jpg"],
         "test": ["MEN/e_1.jpg", "MEN/f_1.jpg"]}
POINTS = [[64, 128], [256, 0], [-1, -1]]


def lists(root: Path, part: str, files: list[str], entries: object = None) -> None:
    rows = "".join(f'{number},"{file}",tail\n' for number, file in enumerate(files))
    (root / f"data_{part}.csv").write_text(f"id,filename,more\n{rows}")
    (root / f"data_{part}.json").write_text(json.dumps(entries or [{"keypoints": POINTS, "id": 1} for _ in files]))


@pytest.fixture
def root(tmp_path):
    for part, files in FILES.items():
        lists(tmp_path, part, files)
        for file in files:
            picture(tmp_path / "img" / file, (SIDE, SIDE))
    return tmp_path


def deepfashion(root: Path, **knobs: object):
    return build("data", "deepfashion", {"root": str(root), "side_px": 64, **knobs})


def test_points_are_shares_of_the_side(root):
    data = deepfashion(root)
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [2, 2, 2]
    assert data.keypoint_names == ("0", "1", "2")
    scene = data.scene("test", 0)
    torch.testing.assert_close(scene.points_yx[0, :2], torch.tensor([[0.5, 0.25], [0.0, 1.0]]))
    assert scene.visible.tolist() == [[True, True, False]]
    assert scene.normaliser_px.tolist() == [64.0]
    assert data.rules.official == "below_6px"


def test_entries_belong_to_files_in_order(root):
    lists(root, "test", FILES["test"], [{"keypoints": [[n, 0]] * 3} for n in (8, 16)])
    data = deepfashion(root)
    for index in range(2):
        scene = data.scene("test", index)
        assert scene.points_yx[0, 0, 1] == {"e_1": 8, "f_1": 16}[scene.name[-7:-4]] / 256


@pytest.mark.parametrize("mode", ["L", "RGBA", "turned"])
def test_images_of_every_kind_show_the_same(root, mode):
    plain = deepfashion(root).scene("test", 0)
    for file in FILES["test"]:
        picture(root / "img" / file, (SIDE, SIDE), mode)
    again = deepfashion(root, share_train=True).scene("test", 0)
    torch.testing.assert_close(again.views, plain.views, atol=0.15, rtol=0)  # JPEG
    assert torch.equal(again.points_yx, plain.points_yx)


def test_files_of_another_side_keep_their_points(root):
    for file in FILES["test"]:
        picture(root / "img" / file, (512, 512))
    torch.testing.assert_close(deepfashion(root).scene("test", 0).points_yx[0, 0], torch.tensor([0.5, 0.25]))


def write(name: str, content: str):
    return lambda root: (root / name).write_text(content)


def entries(*held: object):
    return lambda root: lists(root, "test", FILES["test"], list(held))


GOOD = {"keypoints": POINTS}


@pytest.mark.parametrize(("change", "message"), [
    (lambda root: (root / "data_test.csv").unlink(), r"data_test\.csv: cannot be read: No such file"),
    (lambda root: (root / "data_test.json").unlink(), r"data_test\.json: cannot be read: No such file"),
    (write("data_test.csv", ""), r"data_test\.csv: empty"),
    (write("data_test.csv", "a" * 200_000), r"data_test\.csv: not a CSV file"),
    (write("data_test.csv", "id,filename\n0\n"), r"data_test\.csv, line 2: '0': the second column names no file"),
    (lambda root: lists(root, "test", ["../../secret.jpg"]), r"data_test\.csv, line 2: .*leads out of"),
    (lambda root: lists(root, "test", ["MEN/e_1.jpg"] * 2), r"csv, line 3: img/MEN/e_1\.jpg is on line 2 too"),
    (lambda root: lists(root, "test", ["MEN/c_1.jpg"]), r"img/MEN/c_1\.jpg is in both data_train\.csv and"),
    (lambda root: lists(root, "test", ["MEN/x.jpg"]), r"img/MEN/x\.jpg: missing, listed in .*data_\*\.csv"),
    (write("img/MEN/e_1.jpg", ""), r"img/MEN/e_1\.jpg: empty, listed in"),
    (write("data_test.json", '[{"keypo'), r"data_test\.json: not a JSON file"),
    (write("data_test.json", '{"keypoints": 3}'), r"data_test\.json: no list of entries; data_test\.csv has 2 images"),
    (entries(GOOD), r"data_test\.json: 1 entries; data_test\.csv has 2 images"),
    (entries(GOOD, {"points": POINTS}), r"data_test\.json, entry 1: expected keypoints, a list of x, y"),
    (entries(GOOD, {"keypoints": [[1, 2, 0.9]] * 3}), r"data_test\.json, entry 1: expected keypoints"),
    (entries(GOOD, {"keypoints": POINTS[:2]}), r"data_test\.json, entry 1: 2 keypoints; the first entry has 3"),
    (entries(*[{"keypoints": POINTS[:2]}] * 2), r"data_test\.json: 2 keypoints an image; data_train\.json has 3"),
])
def test_what_is_wrong_is_told_in_one_line_that_names_the_file(root, change, message):
    change(root)
    with pytest.raises(UsageError, match=message) as caught:
        deepfashion(root).size("test")
    assert "\n" not in str(caught.value)


def test_images_that_are_no_squares_or_torn_are_found_by_the_survey(root):
    picture(root / "img/MEN/e_1.jpg", (20, 10))
    tear(root / "img/MEN/c_1.jpg")
    survey = deepfashion(root).survey()
    assert [line.split("img/")[1].split(":")[0] for line in survey.missing] == ["MEN/c_1.jpg", "MEN/e_1.jpg"]
    assert "20 x 10 px" in survey.missing[1]
    assert any("3 keypoints, 67% of them visible" in line for line in survey.found)
