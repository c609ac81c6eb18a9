"""Keypoints as people annotate them: four formats, the same points; what is wrong is named."""

import json

import numpy as np
import pytest
from PIL import Image

from harness.data.folder import Folder
from harness.errors import UsageError
from tests.data.odd_json import refusals

POINTS = {"0.png": {"nose": (3.0, 5.0), "tail": (30.0, 12.5)}, "sub/1.png": {"nose": (4.0, 6.0)}}
HEADER = "image,keypoint,x,y,visible\n"


def pictures(root, names=("0.png", "sub/1.png", "2.png", "3.png"), size=(40, 20)):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "white").save(root / name)
    return root


def table(root):
    rows = [f"{image},{name},{x},{y},1" for image, named in POINTS.items() for name, (x, y) in named.items()]
    (root / "keypoints.csv").write_text(HEADER + "\n".join(rows) + "\n")


def coco_document(**changes):
    names = ["nose", "tail"]
    images = [{"id": i, "file_name": image, "width": 40, "height": 20} for i, image in enumerate(POINTS)]
    annotations = [
        {"id": 10 + i, "image_id": i, "category_id": 7, "bbox": [0, 0, 10, 10],
         "keypoints": [value for name in names for value in ((*named[name], 2) if name in named else (0, 0, 0))]}
        for i, named in enumerate(POINTS.values())]
    return {"images": images, "annotations": annotations,
            "categories": [{"id": 7, "name": "animal", "keypoints": names}, {"id": 8, "name": "tree"}], **changes}


def coco(root):
    (root / "person_keypoints.json").write_text(json.dumps(coco_document()))


def deeplabcut(root):
    (root / "CollectedData_Ada.csv").write_text(
        "scorer,Ada,Ada,Ada,Ada\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"
        "labeled-data/film/0.png,3.0,5.0,30.0,12.5\nlabeled-data/film/1.png,4.0,6.0,,\n")


def deeplabcut_of_three_columns(root):
    (root / "CollectedData_Ada.csv").write_text(
        "scorer,,,Ada,Ada,Ada,Ada\nbodyparts,,,nose,nose,tail,tail\ncoords,,,x,y,x,y\n"
        "labeled-data,film,0.png,3.0,5.0,30.0,12.5\nlabeled-data,film,1.png,4.0,6.0,,\n")


def labelme(root):
    for image, named in POINTS.items():
        shapes = [{"label": name, "points": [list(place)], "shape_type": "point"} for name, place in named.items()]
        shapes.append({"label": "whole", "points": [[0, 0], [9, 9]], "shape_type": "rectangle"})
        document = {"version": "5.5.0", "shapes": shapes, "imagePath": image.rpartition("/")[2], "imageHeight": 20,
                    "imageWidth": 40}
        (root / image).with_suffix(".json").write_text(json.dumps(document))


@pytest.mark.parametrize("write", [table, coco, deeplabcut, deeplabcut_of_three_columns, labelme])
def test_every_format_gives_the_same_points(write, tmp_path):
    write(pictures(tmp_path))
    photos = Folder(root=str(tmp_path)).photos
    assert photos.names == ("nose", "tail")
    assert photos.files == ("0.png", "2.png", "3.png", "sub/1.png")
    expected = np.full((4, 2, 2), np.nan, np.float32)
    expected[0], expected[3, 0] = [[5, 3], [12.5, 30]], [6, 4]
    np.testing.assert_array_equal(photos.points_yx_px, expected)
    assert photos.visible.tolist() == [[True, True], [False, False], [False, False], [True, False]]
    assert photos.normaliser_px.tolist() == [27.0, 40.0, 40.0, 40.0]


def test_several_files_are_told_apart_by_name(tmp_path):
    pictures(tmp_path)
    table(tmp_path)
    coco(tmp_path)
    named = r"2 annotation files: keypoints.csv \(table\), person_keypoints.json \(coco\)"
    with pytest.raises(UsageError, match=named):
        Folder(root=str(tmp_path)).photos  # noqa: B018
    assert Folder(root=str(tmp_path), annotations="person_keypoints.json").photos.names == ("nose", "tail")
    assert Folder(root=str(tmp_path), annotations_format="table").photos.names == ("nose", "tail")
    with pytest.raises(UsageError, match=r"data.annotations: there is no .*/none.csv"):
        Folder(root=str(tmp_path), annotations="none.csv").photos  # noqa: B018


def test_points_outside_their_image_are_named_and_enter_no_normaliser(tmp_path):
    rows = "0.png,a,10,10,1\n0.png,b,20,10,1\n0.png,c,300,10,1\n"
    (pictures(tmp_path) / "keypoints.csv").write_text(HEADER + rows)
    data = Folder(root=str(tmp_path))
    assert data.photos.normaliser_px[0] == 10
    assert data.photos.visible[0].tolist() == [True, True, False]
    first, count = data.photos.remarks
    assert first.endswith("keypoints.csv, line 4: 'c' of '0.png' at x 300, y 10 lies outside its image of 40 x 20 px")
    assert count == "points outside their image are not scored (1 of them)"


@pytest.mark.parametrize(("text", "message"), [
    (HEADER + "0.png,a,0.1,0.5,1\n0.png,b,0.9,0.2,1\n", "every coordinate lies in [0, 1]; x and y are pixels"),
    ("image,keypoint,x,y,visibility\n0.png,a,3,4,0\n", "unknown column 'visibility'; did you mean 'visible'?"),
    ("image,keypoint,x\n0.png,a,3\n", "the column 'y' is missing"),
    (HEADER + "0.png,a,3,4,1\n\n\n0.png,b,xx,4,1\n", "line 5: x is 'xx'; expected a number of pixels, or nothing"),
    (HEADER + "0.png,a,3,4,perhaps\n", "line 2: visible is 'perhaps'; expected 1 or 0, true or false"),
    (HEADER + "0.png,a,3,4,1,9\n", "line 2: 6 cells, but the header has 5"),
    (HEADER + "0.png,a,3,4,1\n0.png,a,3,4,1\n", "line 3: '0.png' has keypoint 'a' twice"),
    (HEADER + "nobody.png,a,3,4,1\n", "line 2: 'nobody.png' is no image in"),
    ("", "empty"),
])
def test_a_wrong_table_is_named_in_one_line(text, message, tmp_path):
    (pictures(tmp_path) / "keypoints.csv").write_text(text)
    with pytest.raises(UsageError) as caught:
        Folder(root=str(tmp_path)).photos  # noqa: B018
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cells_are_trimmed_and_empty_ones_are_not_annotated(tmp_path):
    rows = " 0.png , a , 3 , 4 , True \n0.png,b,,,\n0.png, c,5,6,no\n,,,,\n"
    (pictures(tmp_path) / "Keypoints.CSV").write_text(" image , keypoint , x , y , visible \n" + rows)
    photos = Folder(root=str(tmp_path)).photos
    assert photos.names == ("a", "b", "c")
    assert photos.visible[0].tolist() == [True, False, False]
    assert photos.points_yx_px[0, 2].tolist() == [6, 5]
    assert np.isnan(photos.points_yx_px[0, 1]).all()


def test_the_object_with_the_most_keypoints_is_taken(tmp_path):
    document = coco_document()
    document["annotations"].append({"id": 99, "image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5],
                                    "keypoints": [9, 9, 2, 11, 12, 1]})
    (pictures(tmp_path) / "coco.json").write_text(json.dumps(document))
    photos = Folder(root=str(tmp_path)).photos
    assert photos.points_yx_px[3].tolist() == [[9, 9], [12, 11]]
    assert photos.visible[3].tolist() == [True, False]
    assert "1 images have several annotated objects" in photos.remarks[0]


@pytest.mark.parametrize(("change", "message"), [
    ({"categories": []}, "0 categories have keypoints; one is needed"),
    ({"images": [{"id": 0, "file_name": "0.png", "width": 20, "height": 40},
                 {"id": 1, "file_name": "1.png"}]}, "was annotated at 20 x 40 px, but the image has 40 x 20 px"),
    ({"images": []}, "is of image 0, which the file does not list"),
])
def test_a_wrong_coco_file_is_named(change, message, tmp_path):
    (pictures(tmp_path) / "coco.json").write_text(json.dumps(coco_document(**change)))
    with pytest.raises(UsageError) as caught:
        Folder(root=str(tmp_path)).photos  # noqa: B018
    assert message in str(caught.value)


def test_labels_of_several_animals_are_refused(tmp_path):
    (pictures(tmp_path) / "CollectedData_Ada.csv").write_text(
        "scorer,Ada,Ada,Ada,Ada\nindividuals,one,one,two,two\nbodyparts,nose,nose,nose,nose\ncoords,x,y,x,y\n"
        "0.png,3,5,7,8\n")
    with pytest.raises(UsageError, match=r"labels of 2 individuals \(one, two\); one is needed"):
        Folder(root=str(tmp_path)).photos  # noqa: B018


def test_links_are_followed_and_hidden_files_left_out(tmp_path):
    pictures(tmp_path / "elsewhere", ("far.png",))
    root = pictures(tmp_path / "root", ("a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png", "._b.png"))
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "linked" / "back").symlink_to(root)
    assert Folder(root=str(root)).photos.files == ("a.png", "linked/far.png")


@pytest.mark.parametrize(("values", "level"), [((0.0, 1.0), 128), ((0.0, 255.0), 128)])
def test_a_float_image_is_scaled(values, level, tmp_path):
    middle = values[1] / 2
    Image.fromarray(np.array([[values[0], middle], [middle, values[1]]], np.float32)).save(tmp_path / "f.tiff")
    scene = Folder(root=str(tmp_path), side_px=16, test_share=0.0, share_train=True).scene("fit", 0)
    assert scene.views.max() > 0.9
    assert (scene.views.mean() * 255).item() == pytest.approx(level, abs=3)


def test_a_float_image_of_no_known_range_is_refused(tmp_path):
    Image.fromarray(np.array([[0, 4000.0]], np.float32)).save(tmp_path / "f.tiff")
    data = Folder(root=str(tmp_path), test_share=0.0, share_train=True)
    with pytest.raises(UsageError, match=r"f.tiff: float pixels from 0 to 4000; expected \[0, 1\] or \[0, 255\]"):
        data.scene("fit", 0)


@pytest.mark.parametrize("name", ["person_keypoints.json", "0.json"])
def test_odd_values_anywhere_are_read_or_named_in_one_line(name, tmp_path):
    pictures(tmp_path)
    coco(tmp_path) if name != "0.json" else labelme(tmp_path)
    assert refusals(tmp_path / name, lambda: Folder(root=str(tmp_path), annotations=name).read()) > 50


def test_lists_in_lists_without_end_are_no_annotations(tmp_path):
    (pictures(tmp_path) / "coco.json").write_text("[" * 200_000)
    with pytest.raises(UsageError, match="not a JSON file"):
        Folder(root=str(tmp_path), annotations="coco.json").photos  # noqa: B018
