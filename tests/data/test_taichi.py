import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.errors import UsageError
from harness.registry import build
from tests.data.pictures import picture, tear

SIDE = 32  # of the fixture's files, whose points are those of 256 px
COUNTS = {"train": 4, "test": 2}


def points(number: int) -> np.ndarray:
    value = np.full((18, 2), -1.0)
    value[0], value[1], value[17] = (8 * number, 64), (128, 0), (-1, 30)
    return value


def pickled(root: Path, part: str, names: list[str], values: list[object]) -> None:
    path = root / f"landmark/taichi_{part}_gt.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"file_name": pd.Series(names, dtype=object), "value": pd.Series(values, dtype=object)})
    frame.columns = pd.Index(list(frame.columns), dtype=object)
    frame.to_pickle(path)


@pytest.fixture
def root(tmp_path):
    for part, count in COUNTS.items():
        names = [f"{part}{number}.png" for number in range(count)]
        pickled(tmp_path, part, names, [points(number) for number in range(count)])
        for name in names:
            picture(tmp_path / "eval_images/taichi-256" / part / name, (SIDE, SIDE))
    for video in ("a", "b"):
        for frame in range(3):
            picture(tmp_path / f"train/{video}/{frame:07d}.png", (SIDE, SIDE))
    return tmp_path


def taichi(root: Path, **knobs: object):
    return build("data", "taichi", {"root": str(root), "side_px": 64, **knobs})


def test_points_are_shares_of_the_side_and_minus_one_is_not_visible(root):
    data = taichi(root)
    assert len(data.keypoint_names) == 18
    for index in range(2):
        scene = data.scene("test", index)
        number = int(scene.name[-5])
        torch.testing.assert_close(scene.points_yx[0, :2], torch.tensor([[0.25, 8 * number / 256], [0.0, 0.5]]))
        assert scene.visible[0].nonzero().flatten().tolist() == [0, 1]
        assert scene.normaliser_px.tolist() == [64.0]
        assert torch.isfinite(scene.points_yx).all()
    assert data.rules.official == "summed"


def test_lists_are_the_tables(root):
    assert [taichi(root).size(split) for split in ("optimise", "fit", "test")] == [2, 2, 2]
    data = taichi(root, optimise_on="videos")
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [6, 4, 2]
    assert all("/train/" in data.scene("optimise", i).name and not data.scene("optimise", i).visible.any()
               for i in range(6))
    assert len({data.scene("fit", i).name for i in range(4)}) == 4


def test_a_json_file_goes_before_the_pickle_and_says_the_same(root):
    before = [taichi(root).scene("test", i).points_yx for i in range(2)]
    path = root / "landmark/taichi_test_gt.pkl"
    rows = [{"file_name": f"test{n}.png", "value": points(n).tolist()} for n in range(2)]
    path.with_suffix(".json").write_text(json.dumps(rows))
    path.unlink()
    again = taichi(root, share_train=True)
    assert all(torch.equal(again.scene("test", i).points_yx, before[i]) for i in range(2))


def test_nan_and_null_are_not_visible(root):
    value = points(0).tolist()
    value[0] = [float("nan"), 3]
    nulls = [[None, None], *points(0).tolist()[1:]]
    rows = [{"file_name": "test0.png", "value": value}, {"file_name": "test1.png", "value": nulls}]
    (root / "landmark/taichi_test_gt.json").write_text(json.dumps(rows))
    data = taichi(root)
    assert all(data.scene("test", i).visible[0].nonzero().flatten().tolist() == [1] for i in range(2))


@pytest.mark.parametrize("mode", ["L", "RGBA", "turned"])
def test_images_of_every_kind_show_the_same(root, mode):
    plain = taichi(root).scene("test", 0)
    for number in range(2):
        picture(root / f"eval_images/taichi-256/test/test{number}.png", (SIDE, SIDE), mode)
    again = taichi(root, share_train=True).scene("test", 0)
    torch.testing.assert_close(again.views, plain.views, atol=0.01, rtol=0)
    assert torch.equal(again.points_yx, plain.points_yx)


def table(names: list[str], values: list[object] | None = None):
    return lambda root: pickled(root, "test", names, values or [points(0)] * len(names))


def write(name: str, content: str):
    return lambda root: (root / name).write_text(content)


@pytest.mark.parametrize(("change", "message"), [
    (lambda root: (root / "landmark/taichi_test_gt.pkl").unlink(), r"taichi_test_gt\.pkl: cannot be read: No such"),
    (lambda root: tear(root / "landmark/taichi_train_gt.pkl"), r"taichi_train_gt\.pkl: not a table that can be read"),
    (write("landmark/taichi_test_gt.pkl", ""), r"taichi_test_gt\.pkl: empty"),
    (write("landmark/taichi_test_gt.json", "{"), r"taichi_test_gt\.json: not a JSON file"),
    (write("landmark/taichi_test_gt.json", '{"file_name": []}'), r"taichi_test_gt\.json: needs a list"),
    (write("landmark/taichi_test_gt.json", '[{"file_name": "test0.png"}]'), r"row 0 \(test0\.png\): value: expected"),
    (table([]), "lists no image"),
    (table(["test0.png", "test0.png"]), r"taichi_test_gt\.pkl: 'test0\.png' is listed twice"),
    (table(["../../../secret.png"]), "row 0: '../../../secret.png' leads out of"),
    (table(["test9.png"]), r"test9\.png: missing, listed in"),
    (table(["test0.png"], [points(0)[:17]]), r"row 0 \(test0\.png\): value: expected 18 points"),
    (table(["test0.png"], ["no"]), r"row 0 \(test0\.png\): value: expected 18 points"),
    (table(["test0.png"], [points(0) + np.inf]), r"row 0 \(test0\.png\): value: expected 18 points"),
    (write("eval_images/taichi-256/test/test1.png", ""), r"test1\.png: empty, listed in"),
])
def test_what_is_wrong_is_told_in_one_line_that_names_the_file(root, change, message):
    change(root)
    with pytest.raises(UsageError, match=message) as caught:
        taichi(root).size("test")
    assert "\n" not in str(caught.value)


def test_a_labelled_image_that_is_no_square_is_named(root):
    picture(root / "eval_images/taichi-256/test/test0.png", (20, 10))
    data = taichi(root)
    with pytest.raises(UsageError, match=r"test0\.png: 20 x 10 px, but its keypoints are those of a square image"):
        [data.scene("test", i) for i in range(2)]


def test_the_survey_names_torn_images(root):
    tear(root / "eval_images/taichi-256/train/train2.png")
    survey = taichi(root).survey()
    assert len(survey.missing) == 1
    assert "train2.png: cannot be read" in survey.missing[0]
    assert any("18 keypoints, 11% of them visible; errors in: side of the image" in line for line in survey.found)


def test_missing_video_frames_are_told_only_where_they_are_asked_for(root):
    for path in sorted((root / "train").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert taichi(root).size("test") == 2
    with pytest.raises(UsageError, match="no images in train/<video>/"):
        taichi(root, optimise_on="videos").size("test")


def test_the_fingerprint_follows_points_not_the_folder(root, tmp_path_factory):
    before = taichi(root).fingerprint()
    moved = root.rename(tmp_path_factory.mktemp("moved") / "taichi")
    assert taichi(moved).fingerprint() == before
    pickled(moved, "test", ["test0.png", "test1.png"], [points(0), points(2)])
    again = moved.rename(tmp_path_factory.mktemp("again") / "taichi")
    assert taichi(again).fingerprint() != before
