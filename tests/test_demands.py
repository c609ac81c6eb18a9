"""What can only fail once model and data are open is refused before: no weights are loaded to find it."""

import json

import pytest

from harness import plugins
from harness.data.figures import Figures
from harness.demands import check
from harness.models._diffusion import Diffusion
from harness.models._files import up_layers
from harness.plugins import UsageError
from harness.search._base import Prints
from tests.conftest import open_session, small_spec


@pytest.fixture
def unopened(random_models, monkeypatch):
    def opened(*args, **kwargs):
        raise AssertionError("the model was opened")

    monkeypatch.setattr(Diffusion, "__init__", opened)
    monkeypatch.setattr(Figures, "scene", opened)


@pytest.mark.parametrize("model", ["tiny_sd", "tiny_zero123plus", "tiny_zero123plus_weights"])
def test_the_configuration_tells_how_many_layers_there_are(random_models, model):
    spec = small_spec(model)
    assert plugins.build("models", model).up_layers() == len(open_session(spec).model.up_layers) == 4


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
    {"layers": (0, 3)}, {"losses": plugins.names("losses")}, {"data": {"views": 1}, "model": "tiny_sd"},
    {"data": {"views": 1}, "losses": ("sharpening",), "view_scenes": 0},
    {"view_pass": "canvas", "loss_level": "grid", "context": "concat"},
], ids=str)
def test_what_works_is_let_through(settings):
    check(small_spec(**settings))


def test_a_split_that_is_too_small_is_named(unopened, monkeypatch):
    monkeypatch.setattr(Figures, "size", lambda self, split: 3)
    with pytest.raises(UsageError, match=r"trial.fit_scenes: 4 asked for; the data's split 'fit' has 3"):
        check(small_spec())


def test_terms_across_views_need_cameras_and_a_canvas_its_views(unopened, monkeypatch):
    monkeypatch.setattr(Figures, "has_cameras", False)
    with pytest.raises(UsageError, match=r"losses\.consistency_epipolar: the data has no cameras"):
        check(small_spec(losses=("consistency_epipolar",)))
    object.__setattr__(odd := Figures(), "views", 4)
    monkeypatch.setattr(plugins, "build", lambda kind, *rest, build=plugins.build:
                        odd if kind == "data" else build(kind, *rest))
    with pytest.raises(UsageError, match="a canvas holds 1 or 6 views; 'figures' has 4"):
        check(small_spec("tiny_sd", loss_level="grid"))


def test_a_plan_is_refused_at_the_cell_that_cannot_work(unopened):
    prints = Prints()
    assert set(prints(small_spec())) == {"data", "weights"}
    with pytest.raises(UsageError, match=r"trial\.layers: 9"):
        prints(small_spec(layers=(9,)))
    assert prints(small_spec(seed=1)) == prints(small_spec())


def test_fingerprints_that_stand_in_are_taken_at_their_word():
    assert Prints(lambda spec: {"data": "d", "weights": "w"})(small_spec(layers=(9,))) == {"data": "d", "weights": "w"}
