import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from harness.data.human36m import HUMAN36M_MIRROR, JOINTS, TEST, TRAIN
from harness.errors import UsageError
from harness.registry import build
from tests.data.pictures import picture, tear

SUBJECTS = (*TRAIN, *TEST)
ACTION, CAMERA = "Walking 1.54138969", 54138969


def pose(number: int) -> np.ndarray:
    """32 points (row, column) in [0, 1]."""
    points = np.full((32, 2), 0.5)
    points[0], points[1], points[2] = (0.25, 0.75), (0.5, number / 16), (-1, -1)
    return points


def frame(root: Path, subject: int, number: int, action: str = ACTION) -> None:
    place = root / f"S{subject}"
    picture(place / "WithBackground" / action / f"{number}.jpg", (32, 32))
    mask = Image.new("1", (32, 32))
    mask.putpixel((0, 0), 1)
    for path in (place / "BackgroudMask" / action / f"{number}.png", place / "Landmarks" / action / f"{number}.mat"):
        path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(place / "BackgroudMask" / action / f"{number}.png")
    savemat(place / "Landmarks" / action / f"{number}.mat", {"keypoints_2d": pose(number)})


@pytest.fixture
def simplified(tmp_path):
    for subject in SUBJECTS:
        for number in (1, 2):
            frame(tmp_path, subject, number)
    frame(tmp_path, 11, 3, "WalkingDog 1.54138969")
    return tmp_path


def annotate(root: Path, subject: int, frames: list[int] | None = None, **more: object) -> None:
    numbers = frames or [1, 6]
    poses = np.stack([100 * pose(number)[:, ::-1] for number in numbers])  # x, y in images of 100 px
    poses[poses == -100] = -1
    held = {"camera": [CAMERA] * len(numbers), "frame": numbers, "pose/2d": poses, **more}
    with h5py.File(root / f"S{subject}/Walking/annot.h5", "w") as file:
        for name, values in held.items():
            if values is not None:
                file.create_dataset(name, data=values)


@pytest.fixture
def raw(tmp_path):
    for subject in SUBJECTS:
        for number in (1, 6):
            picture(tmp_path / f"S{subject}/Walking/imageSequence/{CAMERA}/img_{number:06d}.jpg", (100, 100))
        annotate(tmp_path, subject)
    return tmp_path


def human36m(root: Path, **knobs: object):
    return build("data", "human36m", {"root": str(root), "side_px": 64, **knobs})


def test_subject_11_is_for_testing_and_only_six_actions_count(simplified):
    data = human36m(simplified)
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [6, 6, 2]
    assert {data.scene("test", i).name for i in range(2)} \
        == {f"human36m/S11/WithBackground/{ACTION}/{number}.jpg" for number in (1, 2)}
    assert not any("/S11/" in data.scene(split, i).name for split in ("optimise", "fit") for i in range(6))


def test_points_of_the_simplified_layout_are_rows_and_columns_as_shares(simplified):
    data = human36m(simplified)
    for index in range(2):
        scene = data.scene("test", index)
        number = int(scene.name[-5])
        torch.testing.assert_close(scene.points_yx[0, :2], torch.tensor([[0.25, 0.75], [0.5, number / 16]]))
        assert scene.visible[0].logical_not().nonzero().flatten().tolist() == [2]
        assert scene.normaliser_px.tolist() == [64.0]
        assert torch.isfinite(scene.points_yx).all()


@pytest.mark.parametrize("margin_px", [100, 0])
def test_points_of_the_raw_layout_lie_in_the_square_around_the_person(raw, margin_px):
    data = human36m(raw, layout="raw", margin_px=margin_px)
    for index in range(2):
        scene = data.scene("test", index)
        number = int(scene.name[-10:-4])
        # Rows 25 to 50, columns 100 number / 16 to 75: a square around the middle, wider by the margin on each side.
        left = 100 * number / 16
        side = max(25.0, 75 - left) + 2 * margin_px
        corner = torch.tensor([37.5 - side / 2, (75 + left) / 2 - side / 2])
        expected = (torch.tensor([[25.0, 75.0], [50.0, left], [50.0, 50.0]]) - corner) / side
        torch.testing.assert_close(scene.points_yx[0, [0, 1, 3]], expected)
        assert scene.normaliser_px.item() == pytest.approx(64)
        assert scene.visible[0].logical_not().nonzero().flatten().tolist() == [2]


def test_a_black_background_leaves_the_person(simplified):
    kept, black = (human36m(simplified, background=how).scene("test", 0).views for how in ("keep", "black"))
    assert black[0, :, 0, 0].min() > 0.8
    assert black[0, :, 8:, 8:].max() == 0
    frame_path = simplified / "S11/WithBackground" / ACTION
    for number in (1, 2):
        Image.new("RGB", (32, 32), (200, 200, 200)).save(frame_path / f"{number}.jpg")
    black = human36m(simplified, background="black", share_train=True).scene("test", 0).views
    assert black[0, :, 8:, 8:].max() == 0
    assert not torch.equal(kept, black)


def test_a_mask_of_another_side_is_scaled(simplified):
    for number in (1, 2):
        Image.new("1", (8, 8), 1).save(simplified / "S11/BackgroudMask" / ACTION / f"{number}.png")
    kept, black = (human36m(simplified, background=how).scene("test", 0).views for how in ("keep", "black"))
    assert torch.equal(kept, black)


def test_rules_mirror_every_joint():
    data = build("data", "human36m", {})
    assert data.rules.official == "mirrored"
    assert data.rules.mirror == HUMAN36M_MIRROR
    assert len(JOINTS) == len(set(JOINTS)) == len(HUMAN36M_MIRROR)
    for joint, other in enumerate(HUMAN36M_MIRROR):
        if joint not in (16, 20, 21, 24, 28, 29):  # unpaired, or wrongly paired in the published list
            assert JOINTS[other] == JOINTS[joint].translate({}) \
                .replace("left", "?").replace("right", "left").replace("?", "right")


def unlink(name: str):
    return lambda root: (root / name).unlink()


def folder_gone(root: Path) -> None:
    (root / "S7").rename(root / "T7")


WITH, LAND = f"S11/WithBackground/{ACTION}", f"S11/Landmarks/{ACTION}"


@pytest.mark.parametrize(("change", "message"), [
    (folder_gone, "S7 is missing; get it from"),
    (lambda root: (root / "S5/WithBackground").rename(root / "S5/Without"), "S5/WithBackground is missing"),
    (lambda root: (root / f"S5/WithBackground/{ACTION}").rename(root / "S5/WithBackground/Eating"),
     "S5/WithBackground: holds none of the six actions"),
    (unlink(f"{LAND}/2.mat"), r"2\.jpg: its points, .*Landmarks/Walking 1\.54138969/2\.mat, are missing"),
    (lambda root: (root / WITH / "2.jpg").write_bytes(b""), r"2\.jpg: empty, listed in WithBackground \(1 of 14"),
])
def test_a_wrong_simplified_folder_is_told_in_one_line(simplified, change, message):
    change(simplified)
    with pytest.raises(UsageError, match=message) as caught:
        human36m(simplified).size("test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("write", "message"), [
    (tear, "not a MATLAB file"),
    (lambda path: path.write_bytes(b""), "not a MATLAB file"),
    (lambda path: savemat(path, {"keypoints_3d": pose(1)}), r"not a MATLAB file with keypoints_2d: 'keypoints_2d'"),
    (lambda path: savemat(path, {"keypoints_2d": pose(1)[:17]}), "expected 32 x 2 numbers, has 17 x 2"),
    (lambda path: savemat(path, {"keypoints_2d": "no"}), "not a MATLAB file with keypoints_2d: could not convert"),
    (lambda path: savemat(path, {"keypoints_2d": pose(1) * np.inf}), "expected 32 x 2 numbers"),
])
def test_a_wrong_point_file_is_named_when_it_is_read(simplified, write, message):
    write(simplified / LAND / "2.mat")
    with pytest.raises(UsageError, match=rf"2\.mat: .*{message}") as caught:
        human36m(simplified).fingerprint()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "message"), [
    (unlink("S9/Walking/annot.h5"), r"S9/Walking/annot\.h5: missing"),
    (lambda root: tear(root / "S9/Walking/annot.h5"), r"annot\.h5: cannot be read as HDF5"),
    (lambda root: annotate(root, 9, camera=None), r"annot\.h5: has no camera"),
    (lambda root: annotate(root, 9, frame=[1]), r"h5: needs one entry per pose; has camera 2, frame 1, pose/2d 2"),
    (lambda root: annotate(root, 9, frame=7), r"annot\.h5: needs one entry per pose; has .*frame none"),
    (lambda root: annotate(root, 9, frame=[6, 6]), r"annot\.h5: S9/.*img_000006\.jpg is listed twice"),
    (lambda root: annotate(root, 9, [1, 6, 11]), r"img_000011\.jpg: missing, listed in annot\.h5 \(1 of 15"),
])
def test_a_wrong_raw_folder_is_told_in_one_line(raw, change, message):
    change(raw)
    with pytest.raises(UsageError, match=message) as caught:
        human36m(raw, layout="raw").size("test")
    assert "\n" not in str(caught.value)


def test_wrong_poses_are_named_when_they_are_read(raw):
    annotate(raw, 11, **{"pose/2d": np.zeros((2, 17, 2))})
    with pytest.raises(UsageError, match=r"S11/Walking/annot\.h5: pose/2d: expected 32 x 2 numbers, has 17 x 2"):
        human36m(raw, layout="raw").scene("test", 0)
    annotate(raw, 11, **{"pose/2d": np.full((2, 32, 2), np.nan)})
    with pytest.raises(UsageError, match=r"img_00000[16]\.jpg: annot\.h5 has none of its joints"):
        human36m(raw, layout="raw").scene("test", 0)


def test_raw_images_have_no_masks(raw):
    with pytest.raises(UsageError, match="background=black needs the masks of layout=simplified"):
        human36m(raw, layout="raw", background="black").size("test")


def test_the_index_holds_no_points_and_the_survey_reads_them_all(simplified):
    data = human36m(simplified)
    assert data.photos.points_yx_px.nbytes == 0
    savemat(simplified / LAND / "2.mat", {"keypoints_2d": pose(1)[:3]})
    tear(simplified / "S1/WithBackground" / ACTION / "1.jpg")
    survey = data.survey()
    assert survey.found[0].startswith("14 photographs")
    assert any("32 keypoints, 97% of them visible" in line for line in survey.found)
    assert [line.split(": ")[0].split("/")[-1] for line in survey.missing] == ["1.jpg", "2.mat"]


def write_other_points(root: Path, layout: str) -> None:
    other = np.random.default_rng(0).random((32, 2))
    if layout == "raw":
        annotate(root, 11, **{"pose/2d": [other, other]})
    for number in (1, 2) if layout == "simplified" else ():
        savemat(root / LAND / f"{number}.mat", {"keypoints_2d": other})


@pytest.mark.parametrize("layout", ["simplified", "raw"])
def test_the_fingerprint_follows_points_and_knobs_not_the_folder(request, tmp_path_factory, layout):
    root = request.getfixturevalue(layout)
    before = human36m(root, layout=layout).fingerprint()
    assert human36m(root, layout=layout, side_px=32).fingerprint() != before
    copy = shutil.copytree(root, tmp_path_factory.mktemp("copy") / "same")
    assert human36m(copy, layout=layout).fingerprint() == before
    write_other_points(root, layout)
    moved = root.rename(tmp_path_factory.mktemp("moved") / "other")
    assert human36m(moved, layout=layout).fingerprint() != before


@pytest.mark.parametrize("layout", ["simplified", "raw"])
def test_a_scenes_stamp_follows_its_point_file(request, layout):
    root = request.getfixturevalue(layout)
    data = human36m(root, layout=layout)
    before = [data.stamp("test", index) for index in range(2)]
    write_other_points(root, layout)
    assert all(data.stamp("test", index) != before[index] for index in range(2))
