import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from harness import registry
from harness.__main__ import main
from harness.config.spec import Choice
from harness.errors import UsageError
from harness.method import trial
from harness.models.pipelines.zero123plus import Zero123Plus
from harness.ops.geometry import zero123plus_cameras
from harness.registry import build
from tests.conftest import small_spec
from tests.data.objaverse_tree import objaverse_tree, render
from tests.data.pictures import tear


def dataset(root, **knobs):
    return build("data", "objaverse", {"root": str(root), "side_px": 32, "held_out": 3, **knobs})


def folder(root, index=-1):
    listed = json.loads((root / "lvis-annotations.json").read_text())
    return root / "rendering_zero123plus" / listed["pear"][index]


def test_the_first_image_is_the_condition_and_the_others_are_the_views(tmp_path):
    scene = dataset(objaverse_tree(tmp_path)).scene("test", 0)
    assert scene.views.shape == (6, 3, 32, 32)
    inside = scene.views[:, 1, 20, 15] * 255  # green tells the view
    assert inside.tolist() == pytest.approx([30, 60, 90, 120, 150, 180])
    assert scene.condition[1, 20, 15] == 0
    assert scene.normaliser_px.tolist() == [16] * 6
    assert scene.points_yx.shape == (6, 0, 2)
    assert torch.equal(scene.cameras.matrices, zero123plus_cameras(0.0).matrices)


@pytest.mark.parametrize(("background", "level"), [("grey", 127), ("white", 255)])
def test_what_is_transparent_shows_the_background(tmp_path, background, level):
    scene = dataset(objaverse_tree(tmp_path), background=background).scene("test", 0)
    assert scene.views[:, :, :8].unique().tolist() == [pytest.approx(level / 255)]


def test_views_are_scaled_to_the_side_asked_for(tmp_path):
    scene = dataset(objaverse_tree(tmp_path, side_px=64)).scene("test", 0)
    assert scene.views.shape == (6, 3, 32, 32)
    assert scene.normaliser_px.tolist() == [16] * 6


def test_the_condition_keeps_the_files_size(tmp_path):
    root = objaverse_tree(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    for index in range(-3, 0):
        Image.fromarray(pixels, "RGBA").save(folder(root, index) / "000.png")
    scene = dataset(root).scene("test", 0)
    assert scene.views.shape == (6, 3, 32, 32)
    assert (scene.condition * 255).round().permute(1, 2, 0).tolist() == pixels[..., :3].tolist()


def test_the_last_objects_are_held_out(tmp_path):
    data = dataset(objaverse_tree(tmp_path))  # object 2 is in two categories
    assert [data.size(split) for split in ("optimise", "fit", "test")] == [3, 2, 3]
    names = [data.scene(split, i).name for split in ("optimise", "fit", "test") for i in range(data.size(split))]
    assert len(set(names)) == 8
    assert sorted(int(name[-32:], 16) for name in names[5:]) == [5, 6, 7]
    assert data.survey().missing == ()
    assert data.survey().found[1:3] == ("list 'train': 5", "list 'test': 3")


def test_of_few_objects_a_third_is_held_out_and_of_many_16(tmp_path):
    root = objaverse_tree(tmp_path)
    assert [dataset(root, held_out=0).size(split) for split in ("optimise", "fit", "test")] == [3, 3, 2]
    assert dataset(objaverse_tree(tmp_path / "many", count=50), held_out=0).size("test") == 16
    (root / "lvis-annotations.json").write_text('{"mug": ["a", "b"]}')
    with pytest.raises(UsageError, match="2 objects; with 1 held out for the test at least 3 are needed"):
        dataset(root, held_out=0, side_px=16).size("test")


def test_fingerprints_and_stamps_change_with_the_files(tmp_path):
    from harness.data._objects import _read

    data = dataset(objaverse_tree(tmp_path))
    first, stamp = data.fingerprint(), [data.stamp("test", i) for i in range(3)]
    assert dataset(objaverse_tree(tmp_path / "copy")).fingerprint() == first
    assert dataset(tmp_path, background="white").fingerprint() != first
    Image.new("RGBA", (64, 64), (1, 2, 3, 255)).save(folder(tmp_path) / "004.png")
    _read.cache_clear()
    assert data.fingerprint() != first
    assert sum(data.stamp("test", i) != stamp[i] for i in range(3)) == 1


def test_cameras_that_the_renderer_wrote_down_must_agree(tmp_path):
    data = dataset(objaverse_tree(tmp_path))
    for index in range(-3, 0):
        (folder(tmp_path, index) / "cameras.json").write_text('{"version": "v1.1"}')
    with pytest.raises(UsageError, match=r"cameras.json: rendered with the cameras of v1.1; data.version is v1.2"):
        data.scene("test", 0)
    assert dataset(tmp_path, version="v1.1").scene("test", 0).cameras is not None


def listed(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return lambda root: (root / "lvis-annotations.json").write_text(text)


def view(change):
    return lambda root: [change(folder(root, index) / "003.png") for index in range(-3, 0)]


MALFORMED = {
    "no list": (lambda root: (root / "lvis-annotations.json").unlink(), "lvis-annotations.json is missing"),
    "no json": (listed("{"), "lvis-annotations.json: not a JSON file"),
    "a list": (listed(["a"]), "lvis-annotations.json: not of the form"),
    "a word": (listed({"mug": "abc"}), "lvis-annotations.json: not of the form"),
    "numbers": (listed({"mug": [1, 2, 3]}), "lvis-annotations.json: not of the form"),
    "too few": (listed({"mug": ["a", "b", "c", "d"]}), "lvis-annotations.json: 4 objects; .* at least 5"),
    "escaping": (listed({"mug": ["../../etc", *"abcdef"]}), r"lvis-annotations.json: '../../etc' leads out of"),
    "absolute": (listed({"mug": ["/etc", *"abcdef"]}), "lvis-annotations.json: '/etc' leads out of"),
    "no object": (listed({"mug": [*"abcdef"]}), "a/000.png: missing, listed in"),
    "five views": (view(lambda path: path.with_name("006.png").unlink()), r"006.png: missing, listed in .*3 of 56"),
    "0 bytes": (view(lambda path: path.write_bytes(b"")), "003.png: empty, listed in"),
    "torn": (view(tear), "003.png: cannot be read"),
    "no image": (view(lambda path: path.write_text("hello")), "003.png: cannot be read"),
    "RGB": (view(lambda path: Image.new("RGB", (32, 32)).save(path)), "003.png: RGB, no alpha channel"),
    "grey": (view(lambda path: Image.new("L", (32, 32)).save(path)), "003.png: L, no alpha channel"),
    "not square": (view(lambda path: Image.new("RGBA", (32, 24)).save(path)), "003.png: 32 x 24; a view is square"),
    "nothing": (view(lambda path: Image.new("RGBA", (32, 32)).save(path)), "003.png: shows nothing"),
    "cameras": (view(lambda path: path.with_name("cameras.json").write_text("{}")), "cameras.json: cannot be read"),
}


@pytest.mark.parametrize(("spoil", "message"), MALFORMED.values(), ids=list(MALFORMED))
def test_what_is_wrong_is_named_in_one_line(tmp_path, spoil, message):
    root = objaverse_tree(tmp_path)
    spoil(root)
    with pytest.raises(UsageError, match=message) as caught:
        dataset(root).scene("test", 0)
    assert "\n" not in str(caught.value)


def test_doctor_names_every_file_that_cannot_be_used(tmp_path):
    root = objaverse_tree(tmp_path)
    tear(folder(root, 0) / "000.png")
    (folder(root, 1) / "cameras.json").write_text('{"version": "v1.1"}')
    missing = dataset(root).survey().missing
    assert [line.split(":")[0] for line in missing] == [f"image {folder(root, 0) / '000.png'}",
                                                        f"{folder(root, 1) / 'cameras.json'}"]


def test_grey_with_alpha_is_an_object(tmp_path):
    root = objaverse_tree(tmp_path)
    for index in range(-3, 0):
        image = np.zeros((32, 32, 2), np.uint8)
        image[4:9, 4:9] = 200, 255
        Image.fromarray(image, "LA").save(folder(root, index) / "001.png")
    scene = dataset(root).scene("test", 0)
    assert scene.views[0, :, 5, 5].tolist() == pytest.approx([200 / 255] * 3)
    assert scene.normaliser_px[0] == 5


@pytest.mark.usefixtures("random_models")
def test_a_whole_trial_needs_no_keypoints(tmp_path):
    root = objaverse_tree(tmp_path / "data", count=10)
    knobs = registry.settings("data", "objaverse", {"root": str(root), "side_px": 32, "held_out": 3}, "data")
    losses = ("sharpening", "equivariance", "nvs")
    spec = replace(small_spec(losses=losses, generated_scenes=1, sampling_steps=1), data=Choice("objaverse", knobs))
    spec = replace(spec, fit_scenes=3)
    result = trial.run(spec)
    assert result.status == "finished", result.reason
    assert not [name for name in result.scores if "pck" in name or name.startswith("nme")]
    assert {"entropy", "peak_mass", "reprojection_px", "reprojection_relative", "spread_3d", "nvs_loss", "psnr", "ssim",
            "loss_final", "attention_residual"} <= result.scores.keys()
    assert result.scores["reprojection_px"] > 0
    assert result.points["error"] == []


@pytest.mark.usefixtures("random_models")
def test_conditions_of_several_sizes_go_to_a_model_that_scales_them(tmp_path, monkeypatch):
    root = objaverse_tree(tmp_path / "data", count=10)
    render(folder(root) / "000.png", 0, side_px=96)
    knobs = registry.settings("data", "objaverse", {"root": str(root), "side_px": 32, "held_out": 3}, "data")
    sizes, plain = set(), Zero123Plus.encode_condition

    spec = replace(small_spec(), data=Choice("objaverse", knobs), fit_scenes=3)
    with pytest.raises(UsageError, match=r"condition image of objaverse/.* has another size than that of objaverse/"):
        trial.run(spec)

    def record(model, images, *rest):
        sizes.add(tuple(images.shape[-2:]))
        model.parts = replace(model.parts, condition_size=32)  # as the published feature_extractor_vae says 512
        return plain(model, images, *rest)

    monkeypatch.setattr(Zero123Plus, "encode_condition", record)
    result = trial.run(spec)
    assert result.status == "finished", result.reason
    assert sizes == {(32, 32), (96, 96)}


EXPERIMENT = """
name: bare
trial:
  model: tiny_zero123plus
  data: {{name: objaverse, root: {root}, side_px: 32, held_out: 3}}
  tokens: 12
  keypoints: 6
  steps: 2
  scenes_per_step: 2
  map_side: 16
  optimise_scenes: 3
  fit_scenes: 3
  test_scenes: 3
  view_scenes: 1
  warp_bank: 1
grid:
  fusion: [none]
seeds: 1
report:
  rows: [fusion]
"""


@pytest.mark.slow
@pytest.mark.usefixtures("random_models")
def test_an_experiment_without_keypoints_runs_and_reports(tmp_path, capsys):
    root = objaverse_tree(tmp_path / "data", count=10)
    (tmp_path / "bare.yaml").write_text(EXPERIMENT.format(root=root))
    results = ["--results", str(tmp_path / "results")]
    assert main(["run", str(tmp_path / "bare.yaml"), "--executor", "inline", *results]) == 0
    assert main(["report", "bare", *results]) == 0
    assert len(list((tmp_path / "results" / "bare" / "trials").glob("*/panel.png"))) == 1
    assert "Agreement of the views" in capsys.readouterr().out


def test_a_render_is_what_the_tree_says(tmp_path):
    render(tmp_path / "a.png", 2)
    assert np.argwhere(np.array(Image.open(tmp_path / "a.png"))[..., 3]).tolist()[0] == [12, 8]
