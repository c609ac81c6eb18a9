import re

import numpy as np
import pytest

from harness.errors import UsageError
from harness.registry import build
from tests.data.celeba_tree import COVERING, EYES, tree
from tests.data.pictures import picture, tear

ALIGNED, WILD, BOXES = (f"Anno/list_{name}_celeba.txt" for name in ("landmarks_align", "landmarks", "bbox"))
FIRST = "Img/img_align_celeba_png/000001.png"


def celeba(root, **knobs):
    return build("data", "celeba", {"root": str(root), "side_px": 40, **knobs})


def faces(data, split):
    return sorted(int(data.scene(split, i).name[-10:-4]) for i in range(data.size(split)))


@pytest.mark.parametrize("protocol", ["aligned", "wild"])
def test_points_are_where_the_pixels_are_and_errors_in_distances_of_the_eyes(tmp_path, protocol):
    scene = celeba(tree(tmp_path), protocol=protocol).scene("test", 0)
    # 16 x 20 in the middle of a square of 20: two columns of grey on each side, every pixel twice as large.
    assert scene.points_yx[0, 0].tolist() == pytest.approx([(EYES[1] + 0.5) / 20, (EYES[0] + 0.5 + 2) / 20])
    assert scene.visible.all()
    assert scene.normaliser_px.tolist() == pytest.approx([2 * 10])
    row, column = np.unravel_index(int(scene.views[0, 0].argmax()), (40, 40))
    assert (row // 2, column // 2) == (EYES[1], EYES[0] + 2)
    assert scene.views[0, :, 0, 0].tolist() == pytest.approx([127 / 255] * 3)


@pytest.mark.parametrize(("knobs", "train", "test"), [
    ({}, [1, 2, 3, 4], [6, 7]),
    ({"protocol": "wild"}, [1, 3, 4], [6]),
])
def test_mafls_lists_and_which_faces_are_large_enough(tmp_path, knobs, train, test):
    tree(tmp_path)
    shared = celeba(tmp_path, share_train=True, **knobs)
    assert [faces(shared, split) for split in ("optimise", "fit", "test")] == [train, train, test]
    halves = celeba(tmp_path, **knobs)
    assert sorted(faces(halves, "optimise") + faces(halves, "fit")) == train


@pytest.mark.parametrize(("knobs", "optimise", "fit", "test"), [
    ({}, [5, 8], [1, 2, 3, 4], [6, 7]),
    ({"share_train": True}, [1, 2, 3, 4, 5, 8], [1, 2, 3, 4], [6, 7]),
    ({"protocol": "wild", "share_train": True}, [1, 3, 4, 5, 8], [1, 3, 4], [6]),
])
def test_celebas_other_faces_are_optimised_on(tmp_path, knobs, optimise, fit, test):
    data = celeba(tree(tmp_path), list="celeba", **knobs)
    assert [faces(data, split) for split in ("optimise", "fit", "test")] == [optimise, fit, test]


def test_aligned_faces_may_be_jpeg(tmp_path):
    tree(tmp_path)
    before = celeba(tmp_path).fingerprint()
    (tmp_path / "Img/img_align_celeba_png").rename(tmp_path / "Img/none")
    (tmp_path / "Img/img_celeba").rename(tmp_path / "Img/img_align_celeba")
    data = celeba(tmp_path, share_train=True)
    assert data.scene("test", 0).name.endswith(".jpg")
    assert data.fingerprint() != before


def test_a_point_that_is_not_there_is_not_visible_and_eyes_at_one_place_measure_nothing(tmp_path):
    tree(tmp_path)
    path = tmp_path / ALIGNED
    text = path.read_text().replace("000006.jpg  3 4 9 12 7 9", "000006.jpg  3 4 9 12 -1 -1")
    path.write_text(text.replace("000007.jpg  3 4 9 12", "000007.jpg  3 4 3 4")
                    .replace("000001.jpg  3 4", "000001.jpg  nan nan"))
    data = celeba(tmp_path, share_train=True)
    seen = {(scene := data.scene(split, i)).name[-5]: (scene.visible[0].tolist(), float(scene.normaliser_px))
            for split in ("fit", "test") for i in range(data.size(split))}
    assert seen["6"] == ([True, True, False, True, True], 20)
    assert not any(seen["7"][0])
    assert not any(seen["1"][0])
    assert np.isfinite([unit for _, unit in seen.values()]).all()
    assert data.survey().missing == ("2 photographs show no keypoint",)


def test_the_rules(tmp_path):
    rules = celeba("").rules
    assert (rules.official, rules.normaliser) == ("inter_eye", "distance of the eyes")


@pytest.mark.parametrize("mode", ["RGBA", "L", "turned"])
def test_images_are_read_whatever_their_mode(tmp_path, mode):
    tree(tmp_path)
    for path in (tmp_path / "Img/img_celeba").iterdir():
        picture(path, (16, 20), mode)
    scene = celeba(tmp_path, protocol="wild").scene("test", 0)
    assert scene.views.shape == (1, 3, 40, 40)
    assert scene.points_yx[0, 0].tolist() == pytest.approx([4.5 / 20, 5.5 / 20])


def replace(file, old, new):
    def change(root):
        text = (root / file).read_text()
        assert re.search(old, text, re.MULTILINE)
        (root / file).write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE))
    return change


WRONG = [
    ({}, lambda root: (root / ALIGNED).unlink(), f"{ALIGNED} is missing"),
    ({}, lambda root: (root / "MAFL/testing.txt").unlink(), "MAFL/testing.txt is missing"),
    ({}, lambda root: (root / "MAFL/testing.txt").write_text(""), "MAFL/testing.txt: is empty"),
    ({}, lambda root: (root / FIRST).unlink(), rf"{FIRST}: missing, listed in {ALIGNED} \(1 of 6 images are\)"),
    ({}, lambda root: (root / FIRST).write_bytes(b""), f"{FIRST}: empty"),
    ({}, lambda root: (root / "Img").rename(root / "img"), "celeba_png or Img/img_align_celeba is missing"),
    ({"protocol": "wild"}, lambda root: (root / "Img").rename(root / "img"), ": Img/img_celeba is missing"),
    ({"protocol": "wild"}, lambda root: (root / BOXES).unlink(), f"{BOXES} is missing"),
    ({"protocol": "wild"}, lambda root: tear(root / "Img/img_celeba/000001.jpg"), "000001.jpg: cannot"),
    ({"protocol": "wild"}, lambda root: (root / "Img/img_celeba/000001.jpg").write_bytes(b"no"), "000001.jpg: cannot"),
    ({"protocol": "wild"}, replace(BOXES, "^000004.jpg", "000044.jpg"), f"{BOXES}: image '000004' has no box"),
    ({"protocol": "wild"}, lambda root: [replace(BOXES, COVERING, "0 0 1 1")(root) for _ in range(6)],
     f"{WILD}: the train list has no face whose box covers 0.3 of its image"),
    ({}, replace(ALIGNED, r"^(000003.jpg.*) 15$", r"\1"), f"{ALIGNED}, line 5: 10 columns, expected 11"),
    ({}, replace(ALIGNED, r"^000003.jpg  3", "000003.jpg  x"), f"{ALIGNED}, line 5: 'x 4 .*' are not numbers"),
    ({}, replace(ALIGNED, r"^000008.*\n", ""), f"{ALIGNED}, line 1: says '8' faces, found 7; the file may be cut"),
    ({"list": "celeba"}, replace("MAFL/training.txt", "^", "000005.jpg\n000008.jpg\n"),
     f"{ALIGNED}: the unlabelled list has no face$"),
    ({}, replace(ALIGNED, "^000003.jpg", "000002.jpg"), f"{ALIGNED}: '000002' is listed twice"),
    ({}, replace(ALIGNED, "^000003.jpg", "../000003.jpg"), f"{ALIGNED}: '../000003.jpg' is not an image name"),
    ({}, replace("MAFL/testing.txt", "000006.jpg", "000066.jpg"), "testing.txt: image '000066' is not in Anno/"),
    ({}, replace("MAFL/testing.txt", "000006.jpg", "000001.jpg"), "MAFL: '000001' is in both the training and"),
    ({}, replace("MAFL/testing.txt", "000006.jpg", "000007.png"), "testing.txt: '000007' is listed twice"),
]


@pytest.mark.parametrize(("knobs", "change", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path, knobs, change, message):
    change(tree(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        celeba(tmp_path, **knobs).size("fit")
    assert "\n" not in str(caught.value)


def test_a_survey_names_a_torn_image(tmp_path):
    tear(tree(tmp_path) / FIRST)
    (line,) = celeba(tmp_path).survey().missing
    assert f"{FIRST}: cannot be read" in line


def test_a_survey_counts_the_lists(tmp_path):
    survey = celeba(tree(tmp_path)).survey()
    assert survey.missing == ()
    assert {"published list 'train': 4", "published list 'test': 2"} <= set(survey.found)
    assert survey.found[-1] == "5 keypoints, 100% of them visible; errors in: distance of the eyes"
