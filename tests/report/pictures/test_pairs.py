import io

import numpy as np
from PIL import Image

from harness.report.pictures.scene_pairs import ScenePair, of_scene, picture

VIEWS, KEYPOINTS = 2, 3


def table(found=0.2, scenes=2, views=VIEWS, shuffled=False):
    scene, view, keypoint = np.indices((scenes, views, KEYPOINTS)).reshape(3, -1)
    columns = {"scene": scene, "view": view, "keypoint": keypoint, "visible": keypoint != 2, "truth_y": keypoint / 4,
               "truth_x": np.full(len(scene), 0.8), "found_y": keypoint / 4, "found_x": np.full(len(scene), found)}
    order = np.random.default_rng(0).permutation(len(scene)) if shuffled else np.arange(len(scene))
    return {name: column[order] for name, column in columns.items()}


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def sight(views=VIEWS, left=0.2, right=0.2, label="scene 1\n+0.10\nseed 0"):
    pictures = np.full((views, 3, 32, 32), 0.5, np.float32)
    return ScenePair(label, pictures, (of_scene(table(left, views=views), 1), of_scene(table(right, views=views), 1)))


def test_a_scenes_rows_come_in_order_of_view_and_keypoint():
    own = of_scene(table(shuffled=True), 1)
    assert own["scene"].tolist() == [1] * 6
    assert own["view"].tolist() == [0, 0, 0, 1, 1, 1]
    assert own["keypoint"].tolist() == [0, 1, 2] * 2
    assert own["truth_y"].tolist() == [0, 0.25, 0.5] * 2


def test_the_first_trials_points_stand_on_the_left_and_the_seconds_on_the_right():
    same = opened(picture("title", ("A", "B"), [sight()]))
    right = opened(picture("title", ("A", "B"), [sight(right=0.9)]))
    columns = np.flatnonzero(np.abs(same - right).sum((0, 2)))
    half = same.shape[1] // 2
    assert len(columns) > 10
    assert columns.min() > half - 20
    left = opened(picture("title", ("A", "B"), [sight(left=0.9)]))
    assert np.flatnonzero(np.abs(same - left).sum((0, 2))).max() < half + 20


def test_a_point_that_was_not_found_is_not_drawn():
    seen = sight()
    lost = {**seen.points[1], "found_x": np.full(6, np.nan), "found_y": np.full(6, np.nan)}
    drawn = opened(picture("title", ("A", "B"), [ScenePair(seen.label, seen.views, (seen.points[0], lost))]))
    assert drawn.shape == opened(picture("title", ("A", "B"), [seen])).shape


def test_scenes_of_one_view_stand_beside_each_other():
    six = [sight(views=1, label=f"scene {i}\n+0.10") for i in range(6)]
    wide, tall = (opened(picture("title", ("A", "B"), six, columns)) for columns in (3, 1))
    assert wide.shape[0] < tall.shape[0] / 2
