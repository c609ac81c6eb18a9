import re
import sys

import h5py
import numpy as np
import pytest

from harness.errors import UsageError
from harness.registry import build
from tests.data.cub_tree import BACK, CLASSES, PARTS, cmr_tree, h5_tree, image_struct, names, raw_tree, save_mat
from tests.data.pictures import picture, tear

FIRST = "images/001.Black_footed_Albatross/Black_footed_Albatross_0000_0.jpg"
TREES = {"raw": raw_tree, "cmr": cmr_tree, "aligned": h5_tree}


def cub(root, **knobs):
    return build("data", "cub", {"root": str(root), "side_px": 32, **knobs})


@pytest.mark.parametrize("layout", ["raw", "cmr"])
def test_points_are_where_the_pixels_are(tmp_path, layout):
    TREES[layout](tmp_path)
    scene = cub(tmp_path, layout=layout, margin=0.0).scene("test", 0)
    # The box covers pixels 4 to 12 of a row and 2 to 6 of a column; the square around it begins at (0, 4), 8 wide.
    assert scene.points_yx[0, :2].flatten().tolist() == pytest.approx([3.5 / 8, 2.5 / 8, 5.5 / 8, 6 / 8])
    assert scene.visible.tolist() == [[True, True] + [False] * 13]
    assert scene.points_yx[0, 2:].unique().tolist() == [0.5]
    assert scene.normaliser_px.tolist() == [32]
    row, column = np.unravel_index(int(scene.views[0, 0].argmax()), (32, 32))
    assert (row // 4, column // 4) == (BACK[1] - 1, BACK[0] - 1 - 4)


@pytest.mark.parametrize(("normaliser", "expected"), [("bbox", 32 * 8 / 12), ("image", 32)])
def test_a_margin_shrinks_the_bird_and_the_normaliser_says_what_errors_are_in(tmp_path, normaliser, expected):
    raw_tree(tmp_path)
    scene = cub(tmp_path, margin=0.25, normaliser=normaliser).scene("fit", 0)
    assert scene.points_yx[0, 0].tolist() == pytest.approx([(3.5 + 2) / 12, (6.5 - 2) / 12])
    assert scene.normaliser_px.tolist() == pytest.approx([expected])
    assert scene.views[0, :, 0, 0].tolist() == pytest.approx([127 / 255] * 3)  # beyond the image


@pytest.mark.parametrize(("layout", "train", "test"), [("raw", 12, 8), ("cmr", 12, 4)])
def test_lists_and_subsets(tmp_path, layout, train, test):
    TREES[layout](tmp_path)
    data = cub(tmp_path, layout=layout)
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [train // 2, train // 2, test]
    both = {data.scene(split, i).name for split in ("optimise", "fit") for i in range(train // 2)}
    assert len(both) == train
    one = cub(tmp_path, layout=layout, subset="002", share_train=True)
    assert [one.size(split) for split in ("optimise", "fit", "test")] == [3, 3, test // 4]
    assert all(CLASSES[1] in one.scene(split, i).name for split in ("fit", "test") for i in range(test // 4))
    assert one.fingerprint() != data.fingerprint()


def test_raw_and_cmr_are_the_same_birds(tmp_path):
    raw_tree(tmp_path)
    cmr_tree(tmp_path)
    raw, cmr = cub(tmp_path, share_train=True), cub(tmp_path, layout="cmr", share_train=True)
    of_raw, of_cmr = ({scene.name: scene for scene in map(data.scene, ["fit"] * 12, range(12))} for data in (raw, cmr))
    assert of_raw.keys() == of_cmr.keys()
    for name, scene in of_raw.items():
        assert (scene.points_yx == of_cmr[name].points_yx).all()
        assert (scene.views == of_cmr[name].views).all()


@pytest.mark.parametrize("cache", ["CUB_200_2011/cachedir/cub", "cachedir/cub"])
def test_cmrs_files_lie_inside_or_beside_and_its_third_list_may_be_missing(tmp_path, cache):
    folder = cmr_tree(tmp_path, cache)
    assert {name: len(rows) for name, rows in cub(tmp_path, layout="cmr").photos.lists.items()} \
        == {"train": 12, "val": 4, "test": 4}
    (folder / "val_cub_cleaned.mat").unlink()
    assert cub(tmp_path, layout="cmr", margin=0.1).photos.lists.keys() == {"train", "test"}


def test_the_root_may_be_the_folder_of_the_images(tmp_path):
    folder = raw_tree(tmp_path)
    assert cub(folder).photos.files == cub(tmp_path).photos.files == tuple(f"images/{name}" for name in names())


def test_a_box_may_be_four_numbers_and_a_list_one_image(tmp_path):
    folder = cmr_tree(tmp_path)
    save_mat(folder / "test_cub_cleaned.mat", [image_struct(names()[3], bbox=np.array([5.0, 3.0, 12.0, 6.0]))])
    scene = cub(tmp_path, layout="cmr", margin=0.0).scene("test", 0)
    assert scene.points_yx[0, 0].tolist() == pytest.approx([3.5 / 8, 2.5 / 8])


def test_points_marked_visible_without_a_place_are_not(tmp_path):
    folder = raw_tree(tmp_path)
    locations = folder / "parts/part_locs.txt"
    text = re.sub(r"^(\d+ 1) .*$", r"\1 nan 4 1", locations.read_text(), flags=re.MULTILINE)
    locations.write_text(re.sub(r"^(\d+ 2) .*$", r"\1 -1 -1 1", text, flags=re.MULTILINE))
    assert not cub(tmp_path).scene("test", 0).visible.any()
    assert "20 photographs show no keypoint" in cub(tmp_path).survey().missing


def test_images_in_one_file(tmp_path):
    h5_tree(tmp_path)
    data = cub(tmp_path, layout="aligned")
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [2, 2, 3]
    scene = data.scene("test", 0)
    assert scene.visible.tolist() == [[True, True] + [False] * 13]
    assert scene.points_yx[0, :2].flatten().tolist() == pytest.approx([4.5 / 16, 8.5 / 16, -0.02, 0.5], abs=1e-6)
    assert scene.normaliser_px.tolist() == [32]
    row, column = np.unravel_index(int(scene.views[0, 0].argmax()), (32, 32))
    assert (row // 2, column // 2) == (4, 8)
    assert data.stamp("test", 0).split(":")[0] == str((tmp_path / "cub.h5").stat().st_size)
    one = cub(tmp_path, layout="aligned", subset="001", share_train=True)
    assert [one.size(split) for split in ("optimise", "fit", "test")] == [4, 4, 2]
    assert data.survey().missing == ()


@pytest.mark.parametrize("layout", ["raw", "cmr", "aligned"])
@pytest.mark.parametrize("normaliser", ["bbox", "image"])
def test_the_rules_say_what_errors_are_in(layout, normaliser):
    rules = cub("", layout=layout, normaliser=normaliser).rules
    assert rules.official == "visible"
    assert ("box" in rules.normaliser) == (normaliser == "bbox" and layout != "aligned")


@pytest.mark.parametrize("mode", ["RGBA", "L", "turned"])
def test_images_are_read_whatever_their_mode(tmp_path, mode):
    raw_tree(tmp_path)
    for name in names():
        picture(tmp_path / "CUB_200_2011/images" / name, mode=mode)
    scene = cub(tmp_path, margin=0.0).scene("test", 0)
    assert scene.views.shape == (1, 3, 32, 32)
    assert scene.visible.sum() == 2


def replace(file, old, new):
    def change(folder):
        text = (folder / file).read_text()
        assert re.search(old, text, re.MULTILINE)
        (folder / file).write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE))
    return change


RAW = [
    (lambda folder: (folder / "train_test_split.txt").unlink(), "train_test_split.txt is missing"),
    (lambda folder: (folder / "parts/part_locs.txt").unlink(), "parts/part_locs.txt is missing"),
    (lambda folder: (folder / FIRST).unlink(), rf"image .*{FIRST}: missing, listed in .*images.txt \(1 of 20 images"),
    (lambda folder: (folder / FIRST).write_bytes(b""), rf"image .*{FIRST}: empty"),
    (lambda folder: (folder / "images.txt").write_bytes(b"\xff\xfe1 a"), r"images.txt: not a text file"),
    (replace("images.txt", r"^2 .*$", r"2 ../../secret.jpg"), r"images.txt: '../../secret.jpg' leads out of"),
    (replace("images.txt", r"^2 ", r"1 "), r"images.txt: 1.0 is listed twice"),
    (replace("images.txt", r"^2 .*$", r"2"), r"images.txt, line 2: 1 columns, expected 2"),
    (replace("bounding_boxes.txt", r"^3 5.0", r"3 wide"), r"bounding_boxes.txt, line 3: '3 wide .*' are not numbers"),
    (replace("bounding_boxes.txt", r"^3 5.0 3.0 8.0", r"3 5.0 3.0 0"), r"images.txt: the box of .*_0002_2.jpg' holds"),
    (replace("bounding_boxes.txt", r"^3 .*\n", ""), r"bounding_boxes.txt: image 3 has 0 lines, expected 1"),
    (replace("train_test_split.txt", r"^4 .", r"400 1"), r"train_test_split.txt: image 400 is not in images.txt"),
    (replace("train_test_split.txt", r"^4 .", r"4 2"), r"train_test_split.txt: image 4: 2 is neither 0 nor 1"),
    (replace("train_test_split.txt", r"^4 .$", "4 1\n4 0"), r"train_test_split.txt: image 4 has 2 lines"),
    (replace("parts/parts.txt", r"^15 throat\n", ""), r"parts.txt: 14 parts, expected 15"),
    (replace("parts/part_locs.txt", r"^1 15 ", "1 16 "), r"part_locs.txt: image 1: there is no part 16"),
    (replace("parts/part_locs.txt", r"^20 15 .*\n", ""), r"part_locs.txt: image 20, part 15 has 0 lines"),
]


@pytest.mark.parametrize(("change", "message"), RAW)
def test_what_is_wrong_with_the_published_files_is_said_in_one_line(tmp_path, change, message):
    change(raw_tree(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        cub(tmp_path).size("fit")
    assert "\n" not in str(caught.value)


def test_a_subset_without_images_is_refused(tmp_path):
    folder = raw_tree(tmp_path)
    labels = folder / "image_class_labels.txt"
    labels.write_text(labels.read_text().replace(" 3\n", " 4\n"))
    with pytest.raises(UsageError, match=r"images.txt: the train list has no image of subset '003'"):
        cub(tmp_path, subset="003").size("fit")


MAT = "train_cub_cleaned.mat"
CMR = [
    (lambda folder: (folder / "test_cub_cleaned.mat").unlink(), "data/test_cub_cleaned.mat is missing"),
    (lambda folder: (folder / MAT).write_bytes(b""), f"{MAT}: cannot be read as a Matlab file"),
    (lambda folder: tear(folder / MAT), f"{MAT}: cannot be read as a Matlab file"),
    (lambda folder: save_mat(folder / MAT, [image_struct("../x.jpg")]), f"{MAT}: '../x.jpg' leads out of"),
    (lambda folder: save_mat(folder / MAT, [image_struct(names()[3])]), "in both the training and the test list"),
    (lambda folder: save_mat(folder / MAT, [image_struct(names()[0])] * 2), f"{MAT}: '001.*' is listed twice"),
    (lambda folder: save_mat(folder / MAT, [image_struct("Albatross/1.jpg")]), "does not begin with a class's number"),
    (lambda folder: save_mat(folder / MAT, [{"rel_path": "a"}]), f"{MAT}: its 'images' lack parts, bbox"),
    (lambda folder: save_mat(folder / MAT, [image_struct("001.A/1.jpg", parts=np.zeros((3, 4)))]),
     rf"{MAT}: 001.A/1.jpg: expected 3 x 15 'parts'"),
    (lambda folder: save_mat(folder / MAT, [image_struct("001.A/1.jpg", bbox={"x1": 1.0})]), "a 'bbox' of x1, y1"),
    (lambda folder: save_mat(folder / MAT, [image_struct("001.A/1.jpg")]), "1.jpg: missing, listed in"),
]


@pytest.mark.parametrize(("change", "message"), CMR)
def test_what_is_wrong_with_cmrs_files_is_said_in_one_line(tmp_path, change, message):
    change(cmr_tree(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        cub(tmp_path, layout="cmr").size("fit")
    assert "\n" not in str(caught.value)


def shorten(key):
    def change(path):
        with h5py.File(path, "a") as file:
            short = file[key][1:]
            del file[key]
            if len(short):
                file[key] = short
    return change


H5 = [
    (lambda path: path.unlink(), "cub.h5 is missing"),
    (lambda path: path.write_bytes(b""), "cub.h5: cannot be read as HDF5"),
    (tear, "cub.h5: cannot be read as HDF5"),
    (shorten("test002_kp"), "cub.h5: test002_kp is missing"),
    (shorten("train_vis"), "cub.h5: train_kp and train_vis have shapes"),
    (shorten("train_img"), "cub.h5: train_kp and train_vis have shapes"),
]


@pytest.mark.parametrize(("change", "message"), H5)
def test_what_is_wrong_with_the_one_file_is_said_in_one_line(tmp_path, change, message):
    change(h5_tree(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        cub(tmp_path, layout="aligned", subset="002").size("fit")
    assert "\n" not in str(caught.value)


def test_h5py_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    h5_tree(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"cub.h5: reading it takes h5py: pip install -e '\.\[data\]'"):
        cub(tmp_path, layout="aligned").size("fit")


def test_an_image_that_is_gone_since_is_named(tmp_path):
    path = h5_tree(tmp_path)
    data = cub(tmp_path, layout="aligned")
    assert data.size("test") == 3
    shorten("test_img")(path)
    assert any("cub.h5: test_img/2: cannot be read" in line for line in data.survey().missing)


def test_a_survey_names_torn_images_and_counts_the_lists(tmp_path):
    folder = raw_tree(tmp_path)
    tear(folder / FIRST)
    survey = cub(tmp_path).survey()
    assert [line for line in survey.missing if FIRST in line]
    assert "published list 'train': 12" in survey.found
    assert any(line.startswith("15 keypoints, 13% of them visible; errors in: longer side of") for line in survey.found)


def test_no_folder_named(monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UsageError, match=r"data 'cub': no folder named; .*www.vision.caltech.edu"):
        cub("").size("fit")
    raw_tree(tmp_path / "cub")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    assert cub("").size("test") == 8


def test_part_names_are_the_published_ones():
    assert cub("").keypoint_names == PARTS
