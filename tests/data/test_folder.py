import numpy as np
import pytest
import torch
from PIL import Image

from harness.data.folder import Folder
from harness.errors import UsageError
from harness.registry import build


def tree(root, images=8, table="image,keypoint,x,y,visible\n"):
    """Save images of 20 x 40 px with two points each; a third is not annotated, as COCO says so."""
    (root / "sub").mkdir(parents=True, exist_ok=True)
    for number in range(images):
        place = root / ("sub" if number % 2 else ".") / f"{number}.png"
        picture = np.zeros((20, 40, 3), np.uint8)
        picture[4:8, 10 + number : 14 + number] = 255  # centre (row, column) = (6, 12 + number)
        Image.fromarray(picture).save(place)
    if table is not None:
        names = [f"{'sub/' if number % 2 else ''}{number}.png" for number in range(images)]
        lines = [f"{name},spot,{12 + number},6,1\n{name},corner,0,0,0\n{name},far,30,16,1"
                 for number, name in enumerate(names)]
        (root / "keypoints.csv").write_text(table + "\n".join(lines) + "\n")
    return root


def test_points_lie_on_what_they_name_in_every_split(tmp_path):
    data = Folder(root=str(tree(tmp_path)), side_px=80)
    assert data.keypoint_names == ("spot", "corner", "far")
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [3, 3, 2]
    seen = set()
    for split in ("optimise", "fit", "test"):
        for index in range(data.size(split)):
            scene = data.scene(split, index)
            seen.add(scene.name)
            assert scene.views.shape == (1, 3, 80, 80)  # 20 x 40 in a square of 40: a factor of 2
            assert scene.visible.tolist() == [[True, False, True]]
            row, column = (scene.points_yx[0, 0] * 80).round().int().tolist()
            assert row == (6 + 10) * 2
            assert scene.views[0, 0, row - 2 : row + 2, column - 2 : column + 2].min() > 0.9
            assert scene.views[0, 0, :16].max() == pytest.approx(127 / 255)
            number = int(scene.name.rsplit("/", 1)[1][0])
            assert scene.normaliser_px.item() == pytest.approx(2 * (30 - 12 - number))
    assert len(seen) == 8


def test_the_square_around_points_is_a_fifth_wider(tmp_path):
    data = Folder(root=str(tree(tmp_path)), side_px=64, crop="points")
    scene = data.scene("test", 0)
    spot, far = scene.points_yx[0, [0, 2]]
    assert spot[1].item() == pytest.approx(0.2 / 1.4, abs=1e-5)
    assert far[1].item() == pytest.approx(1.2 / 1.4, abs=1e-5)


def test_images_alone_have_no_keypoints(tmp_path):
    data = Folder(root=str(tree(tmp_path, table=None)), side_px=32)
    scene = data.scene("fit", 0)
    assert data.keypoint_names == ()
    assert scene.points_yx.shape == (1, 0, 2)
    assert scene.normaliser_px.item() == 32


def test_train_images_can_be_shared(tmp_path):
    data = Folder(root=str(tree(tmp_path)), share_train=True)
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [6, 6, 2]
    assert data.scene("optimise", 3).name == data.scene("fit", 3).name


def test_the_fingerprint_follows_content_not_place(tmp_path):
    one, two = (Folder(root=str(tree(tmp_path / name))) for name in ("a", "b"))
    assert one.fingerprint() == two.fingerprint()
    tree(tmp_path / "c")
    (tmp_path / "c" / "keypoints.csv").write_text((tmp_path / "c" / "keypoints.csv").read_text().replace(",6,", ",7,"))
    assert Folder(root=str(tmp_path / "c")).fingerprint() != one.fingerprint()
    assert Folder(root=str(tmp_path / "a"), side_px=64).fingerprint() != one.fingerprint()


@pytest.mark.parametrize(("table", "message"), [
    ("image,x\na.png,1\n", "the column 'keypoint' is missing; needs the columns image, keypoint, x, y"),
    ("image,keypoint,x,y\n0.png,spot,here,3\n", "line 2: x is 'here'; expected a number of pixels, or nothing"),
    ("image,keypoint,x,y\n0.png,spot,3\n", "line 2: x is '3', y is ''; a point needs both, or neither"),
    ("image,keypoint,x,y\n../no.png,spot,3,4\n", "'../no.png' is no image in"),
    ("image,keypoint,x,y\nno.png,spot,3,4\n", "'no.png' is no image in"),
    ("image,keypoint,x,y\n0.png,spot,3,4\n0.png,spot,3,4\n", "has keypoint 'spot' twice"),
])
def test_a_wrong_table_is_named(tmp_path, table, message):
    tree(tmp_path, table=None)
    (tmp_path / "keypoints.csv").write_text(table)
    with pytest.raises(UsageError, match=message) as caught:
        Folder(root=str(tmp_path)).photos  # noqa: B018, reads the index
    assert "keypoints.csv" in str(caught.value)


@pytest.mark.parametrize("crop", ["image", "points"])
def test_an_occluded_point_counts_in_the_box_and_not_in_the_score(tmp_path, crop):
    tree(tmp_path, table=None)
    rows = [f"{name},near,4,5,1\n{name},next,6,5,1\n{name},far,14,15,{seen}" for name, seen in
            (("0.png", 1), ("2.png", 0))]
    (tmp_path / "keypoints.csv").write_text("image,keypoint,x,y,visible\n" + "\n".join(rows) + "\n")
    photos = Folder(root=str(tmp_path), crop=crop).photos
    one, other = (photos.files.index(name) for name in ("0.png", "2.png"))
    assert photos.normaliser_px[[one, other]].tolist() == [10, 10]  # from 5 to 15, and from 4 to 14
    box = [[3, 2, 17, 16]] * 2 if crop == "points" else [[np.nan] * 4] * 2
    np.testing.assert_allclose(photos.boxes_px[[one, other]], box, rtol=1e-6)
    np.testing.assert_array_equal(photos.points_yx_px[other], [[5, 4], [5, 6], [15, 14]])
    assert photos.visible[[one, other]].tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("place", ["-1,-1", "nan,3", "inf,3"])
@pytest.mark.parametrize("seen", [0, 1])
def test_what_nobody_annotated_counts_in_no_box(tmp_path, place, seen):
    tree(tmp_path, table=None)
    (tmp_path / "keypoints.csv").write_text(
        f"image,keypoint,x,y,visible\n0.png,spot,{place},{seen}\n0.png,tip,3,4,1\n0.png,tail,8,4,1\n")
    photos = Folder(root=str(tmp_path)).photos
    assert photos.normaliser_px[photos.files.index("0.png")] == 5


@pytest.mark.parametrize("place", ["-1,-1", "nan,3"])
def test_points_that_nobody_annotated_are_not_visible(tmp_path, place):
    tree(tmp_path, table=None)
    (tmp_path / "keypoints.csv").write_text(f"image,keypoint,x,y\n0.png,spot,{place}\n0.png,tip,3,4\n")
    data = Folder(root=str(tmp_path), test_share=0.0)
    shown = data.photos.visible[data.photos.files.index("0.png")]
    assert shown.tolist() == [False, True]
    scene = next(data.scene(split, i) for split in ("optimise", "fit") for i in range(4)
                 if data.scene(split, i).name.endswith("/0.png"))
    assert torch.isfinite(scene.points_yx).all()


def test_an_empty_folder_and_an_empty_image_are_named(tmp_path):
    with pytest.raises(UsageError, match="no images in it"):
        Folder(root=str(tmp_path)).photos  # noqa: B018
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a\.png: empty"):
        build("data", "folder", {"root": str(tmp_path), "side_px": 64}).fingerprint()


def test_the_survey_counts_and_names_what_cannot_be_opened(tmp_path):
    tree(tmp_path)
    (tmp_path / "0.png").write_bytes(b"torn")
    told = Folder(root=str(tmp_path)).survey()
    assert any("8 photographs" in line for line in told.found)
    assert len(told.missing) == 1
    assert "0.png: cannot be read" in told.missing[0]
