"""What can only fail once model and data are open is refused before: no weights are loaded to find it."""

import json
import re
from dataclasses import replace

import pytest

from harness import registry
from harness.config.spec import Choice
from harness.data.figures import Figures
from harness.data.keypointnet import KeypointNet
from harness.data.objaverse import Objaverse
from harness.errors import UsageError
from harness.method.compatibility import check
from harness.method.trial import run
from harness.models.loading.files import up_layers
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.sides import multiple, multiple_of_folder
from harness.models.tiny_sd import TinySD
from harness.search.trial_source import Fingerprints
from tests.conftest import open_session, small_spec
from tests.data.test_folder import tree


@pytest.fixture
def unopened(random_models, monkeypatch):
    def opened(*args, **kwargs):
        raise AssertionError("the model was opened")

    monkeypatch.setattr(Diffusion, "__init__", opened)
    monkeypatch.setattr(Figures, "scene", opened)


@pytest.mark.parametrize("model", ["tiny_sd", "tiny_zero123plus", "tiny_zero123plus_weights"])
def test_the_configuration_tells_how_many_layers_there_are(random_models, model):
    spec = small_spec(model)
    assert registry.build("models", model).up_layers() == len(open_session(spec).model.up_layers) == 4


@pytest.mark.parametrize(("config", "layers"), [
    ({"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "layers_per_block": 2}, 6),
    ({"up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "layers_per_block": [1, 3],
      "transformer_layers_per_block": [1, 2]}, 8),
    ({"up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "layers_per_block": 1,
      "reverse_transformer_layers_per_block": [[1, 2], 3]}, 9),
    ({}, 9),
])
def test_layers_are_counted_as_diffusers_builds_them(tmp_path, config, layers):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    assert up_layers(tmp_path) == layers


def test_a_model_that_is_not_here_yet_tells_nothing(tmp_path):
    assert up_layers(tmp_path) is None
    assert multiple_of_folder(tmp_path) is None


@pytest.mark.parametrize("model", ["tiny_sd", "tiny_zero123plus", "tiny_zero123plus_weights"])
def test_the_configuration_tells_which_sides_are_halved_evenly(random_models, model):
    assert registry.build("models", model).side_multiple() == open_session(small_spec(model)).model.side_multiple == 4


@pytest.mark.parametrize(("unet", "vae", "expected"), [
    ({"down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]}, {"block_out_channels": [128, 256, 512, 512]},
     64),  # as published: 8 px a latent, halved three times
    ({"down_block_types": ["CrossAttnDownBlock2D"] * 2}, {"block_out_channels": [16, 32, 64]}, 8),
    ({}, {}, 8),
])
def test_every_block_but_the_last_halves(unet, vae, expected):
    assert multiple(unet, vae) == expected


@pytest.mark.parametrize(("side", "nearest"), [(30, "28 or 32"), (35, "32 or 36"), (33, "32 or 36")])
@pytest.mark.parametrize("settings", [
    {"view_pass": "batch"}, {"view_pass": "canvas"}, {"data": {"views": 1}, "model": "tiny_sd"},
], ids=str)
def test_a_side_that_is_not_halved_evenly_is_named(unopened, settings, side, nearest):
    spec = small_spec(**settings | {"data": settings.get("data", {}) | {"side_px": side}})
    with pytest.raises(UsageError, match=rf"trial.data.side_px: {side} px; .* of 4 px, the nearest {nearest}$"):
        check(spec)


def test_a_side_below_the_least_one_has_one_nearest(unopened, monkeypatch):
    monkeypatch.setattr(TinySD, "side_multiple", lambda self: 64)
    with pytest.raises(UsageError, match=r"multiples of 64 px, the nearest 64$"):
        check(small_spec("tiny_sd", data={"views": 1, "side_px": 32}))


@pytest.mark.parametrize(("model", "views"), [("tiny_sd", 1), ("tiny_zero123plus", 6)])
def test_what_only_the_open_model_tells_is_refused_before_an_image_is_encoded(random_models, monkeypatch, model, views):
    spec = small_spec(model, data={"views": views, "side_px": 34})
    diffusion = open_session(spec).model
    monkeypatch.setattr(diffusion, "_posterior", None)
    with pytest.raises(UsageError, match=r"the side of a view: 34 px; .* the nearest 32 or 36"):
        run(spec)


def test_a_step_cannot_draw_more_scenes_than_there_are(unopened):
    with pytest.raises(UsageError, match=r"trial.scenes_per_step: 4 asked for .* trial.optimise_scenes has 3"):
        check(small_spec(scenes_per_step=4))
    check(small_spec(scenes_per_step=3))
    check(small_spec(scenes_per_step=4, steps=0))  # no step draws anything


def test_a_plan_is_refused_at_the_cell_whose_steps_draw_too_many(unopened):
    fingerprints = Fingerprints()
    fingerprints(spec := small_spec())
    with pytest.raises(UsageError, match=r"trial\.scenes_per_step: 4"):
        fingerprints(replace(spec, scenes_per_step=4))


@pytest.mark.parametrize(("settings", "refused"), [
    ({}, True), ({"view_scenes": 0, "losses": ("nvs",)}, True), ({"view_scenes": 0, "losses": ("sharpening",)}, False),
    ({"view_scenes": 0, "losses": ("sharpening",), "view_pass": "canvas"}, True),
], ids=str)
def test_a_model_paints_the_views_of_its_own_cameras(unopened, random_folders, monkeypatch, settings, refused):
    monkeypatch.setattr("harness.models.loading.published.check_folder", lambda *folder: None)  # it is a tiny model's
    for version in ("v1.1", "v1.2"):
        spec = small_spec("zero123plus", **settings)
        path = {"version": version, "path": str(random_folders["tiny_zero123plus"])}
        spec = replace(spec, model=Choice("zero123plus", dict(spec.model.knobs) | path))
        if refused and version == "v1.1":
            with pytest.raises(UsageError, match=r"the views of Zero123.. v1.1; data 'figures' is seen by .* v1.2"):
                check(spec)
        else:
            check(spec)


def test_models_and_data_say_whose_cameras_they_have():
    assert Figures().camera_version == "v1.2"
    assert Figures(views=1).camera_version == ""
    assert KeypointNet(version="v1.1").camera_version == Objaverse(version="v1.1").camera_version == "v1.1"
    versions = {name: registry.build("models", name).cameras for name in registry.names("models")}
    assert versions == {"sd15": "", "sd21": "", "tiny_sd": "", "tiny_zero123plus": "v1.2",
                        "tiny_zero123plus_weights": "v1.2", "zero123plus": "v1.2", "zero123plus_weights": "v1.2"}
    assert registry.build("models", "zero123plus_weights", {"version": "v1.1"}).cameras == "v1.1"


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize(("settings", "message"), [
    ({"layers": (0, 4)}, "trial.layers: 4 is out of range; this model's up path has 4"),
    ({"data": {"views": 1}}, "'tiny_zero123plus' paints views from a condition image; data 'figures' has none"),
    ({"data": {"views": 1}, "losses": ("sharpening",)}, "set view_scenes and generated_scenes to 0"),
    ({"data": {"views": 1}, "losses": ("nvs",), "view_scenes": 0}, "drop the nvs loss"),
    ({"data": {"views": 1}, "losses": ("sharpening",), "view_scenes": 0, "context": "concat"},
     "keypoint pass looks at a condition image"),
], ids=str)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        check(small_spec(**settings))


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("settings", [
    {"layers": (0, 3)}, {"losses": registry.names("losses")}, {"data": {"views": 1}, "model": "tiny_sd"},
    {"data": {"views": 1}, "losses": ("sharpening",), "view_scenes": 0},
    {"view_pass": "canvas", "loss_level": "grid", "context": "concat"},
], ids=str)
def test_what_works_is_let_through(settings):
    check(small_spec(**settings))


def test_a_split_that_is_too_small_is_named(unopened, monkeypatch):
    monkeypatch.setattr(Figures, "size", lambda self, split: 3)
    with pytest.raises(UsageError, match=r"^data 'figures' has too few scenes: fit has 3, 4 asked for; set "
                                         r"trial.fit_scenes=3$"):
        check(small_spec())


def folder_spec(root, **settings):
    """A trial on one's own photographs."""
    spec = small_spec("tiny_sd", view_scenes=0, losses=("sharpening",), **settings)
    knobs = registry.settings("data", "folder", {"root": str(root), "side_px": 64}, "data")
    return replace(spec, data=Choice("folder", knobs))


def test_a_folder_that_is_too_small_for_its_splits_says_what_to_set(unopened, tmp_path):
    spec = folder_spec(tree(tmp_path), optimise_scenes=100, fit_scenes=250, test_scenes=2, scenes_per_step=6)
    with pytest.raises(UsageError) as caught:
        check(spec)
    told = str(caught.value)
    assert told == ("data 'folder' has too few scenes: optimise has 3, 100 asked for; fit has 3, 250 asked for; set "
                    "trial.optimise_scenes=3, trial.fit_scenes=3, trial.scenes_per_step=3, or "
                    "trial.data.share_train=true, for more in optimise and fit")
    settings = {name: int(value) for name, value in re.findall(r"trial\.(\w+)=(\d+)", told)}
    check(replace(spec, **settings))  # what it says to set is enough


def test_a_folder_with_an_empty_split_says_what_fills_it(unopened, tmp_path):
    spec = folder_spec(tree(tmp_path, images=1, table=None), optimise_scenes=1, fit_scenes=1, test_scenes=1,
                       scenes_per_step=1)
    with pytest.raises(UsageError, match=r"fit has 0, 1 asked for; test has 0, 1 asked for; a split needs at least 1: "
                                         r"add scenes, or set trial.data.share_train=true, .*trial.data.test_share$"):
        check(spec)


def test_terms_across_views_need_cameras_and_a_canvas_its_views(unopened, monkeypatch):
    monkeypatch.setattr(Figures, "has_cameras", False)
    with pytest.raises(UsageError, match=r"losses\.consistency_epipolar: the data has no cameras"):
        check(small_spec(losses=("consistency_epipolar",)))
    object.__setattr__(odd := Figures(), "views", 4)
    monkeypatch.setattr(registry, "build", lambda kind, *rest, build=registry.build:
                        odd if kind == "data" else build(kind, *rest))
    with pytest.raises(UsageError, match="a canvas holds 1 or 6 views; 'figures' has 4"):
        check(small_spec("tiny_sd", loss_level="grid"))


def test_a_plan_is_refused_at_the_cell_that_cannot_work(unopened):
    fingerprints = Fingerprints()
    assert set(fingerprints(small_spec())) == {"data", "weights"}
    with pytest.raises(UsageError, match=r"trial\.layers: 9"):
        fingerprints(small_spec(layers=(9,)))
    assert fingerprints(small_spec(seed=1)) == fingerprints(small_spec())


def test_fingerprints_that_stand_in_are_taken_at_their_word():
    given = {"data": "d", "weights": "w"}
    assert Fingerprints(lambda spec: given)(small_spec(layers=(9,))) == given
