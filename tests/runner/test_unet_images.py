"""A trial's UNet images, counted before it runs, are those that the model itself counted."""

from dataclasses import replace

import pytest

from harness import user_cache
from harness.cli._plan_images import Counts, image_line
from harness.config.spec import RunOptions
from harness.method import session
from harness.method.trial import run
from harness.runner.unet_images import FIRST, FURTHER, AtHand, per_scene, unet_images
from tests.conftest import small_spec

pytestmark = pytest.mark.usefixtures("random_models")
SINGLE = {"model": "tiny_sd", "data": {"views": 1}}
BOTH = ("sharpening", "equivariance", "nvs")


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """Give a cache folder of its own, and a process that keeps nothing."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(user_cache, "changed_since_start", lambda: False)  # also moments after an edit
    session._session.cache_clear()
    yield
    session._session.cache_clear()


def spec_of(settings):
    model = settings.get("model_knobs")
    spec = small_spec(**{name: value for name, value in settings.items() if name != "model_knobs"})
    return replace(spec, model=replace(spec.model, knobs={**spec.model.knobs, **model})) if model else spec


def predicted(spec, at_hand=FIRST, **options):
    return sum(unet_images(spec, per_scene(spec), at_hand, **options).values())


SETTINGS = [
    SINGLE,
    {**SINGLE, "localise_copies": 3},
    {**SINGLE, "localise_copies": 3, "copies_scenes": 1},
    {**SINGLE, "untrained": False},
    {**SINGLE, "losses": ("sharpening",), "view_scenes": 0},
    {**SINGLE, "fusion": "concat", "view_scenes": 2, "view_timesteps": (200, 500), "generated_scenes": 2},
    {**SINGLE, "scenes_per_step": 5, "steps": 1},  # more than there are
    {},
    {"losses": ("nvs",), "fusion": "concat"},
    {"losses": BOTH, "localise_copies": 2, "view_pass": "canvas", "fusion": "blend", "view_scenes": 9},
    {"fusion": "concat", "fusion_knobs": {"strength": 0.0}, "view_timesteps": (200, 200)},
    {"fusion": "weighted", "generated_scenes": 1, "sampling_steps": 2, "localise_copies": 1},
    {"fusion": "spatial", "generated_scenes": 9, "sampling_steps": 2, "guidance": 1.0, "view_scenes": 0},
    {"fusion": "hierarchical", "model_knobs": {"reference": "both"}, "generated_scenes": 1, "sampling_steps": 2},
    {"model_knobs": {"reference": "none"}, "generated_scenes": 1, "sampling_steps": 2},
    {"model": "tiny_zero123plus_weights", "fusion": "concat", "generated_scenes": 1},
    {"model": "tiny_zero123plus_weights", "fusion": "concat", "view_pass": "canvas"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_count_is_that_of_the_record_for_the_first_trial_and_for_a_further_one(settings):
    spec = spec_of({"steps": 1, **settings})
    assert run(spec).cost["unet_images"] == predicted(spec)
    further = replace(spec, fusion=small_spec(fusion="blend").fusion) if spec.paints_views else spec
    # Other tokens on the same scenes and from the same start.
    further = replace(further, learning_rate=spec.learning_rate * 2)
    assert run(further).cost["unet_images"] == predicted(further, FURTHER)


def test_another_process_finds_the_untrained_reading_alone():
    spec = spec_of({"view_scenes": 2})
    run(spec)
    session._session.cache_clear()
    assert run(spec).cost["unet_images"] == predicted(spec, AtHand(untrained=True))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"losses": ("nvs",)}, {"learning_rate": 0.0}], ids=str)
def test_tokens_that_stay_where_they_were_are_read_once(settings):
    spec = spec_of({**settings, "view_scenes": 0})
    assert run(spec).cost["unet_images"] == predicted(spec)
    assert unet_images(spec, per_scene(spec))["untrained"] == 0


@pytest.mark.parametrize(("settings", "options"), [
    ({"fusion": "concat"}, {"micro_batch": 1}), ({"losses": ("nvs",)}, {"micro_batch": 1}), ({}, {"micro_batch": 2}),
    ({"scenes_per_step": 3}, {"micro_batch": 2, "probe_every": 1}),
    ({**SINGLE, "steps": 3, "localise_copies": 1}, {"probe_every": 2}),
], ids=str)
def test_micro_batches_and_probes_count_too(settings, options):
    spec = spec_of(settings)
    found = run(spec, options=RunOptions(**options)).cost["unet_images"]
    assert found == predicted(spec, **options) >= predicted(spec)


def test_equal_tokens_and_a_fusion_without_gradient_make_it_an_upper_bound():
    spec = spec_of({"fusion": "spatial"})
    assert run(spec, options=RunOptions(micro_batch=1)).cost["unet_images"] < predicted(spec, micro_batch=1)
    assert run(spec_of({})).cost["unet_images"] == predicted(spec_of({}), AtHand(untrained=False, unguided=True))
    assert run(spec).cost["unet_images"] < predicted(spec, FURTHER)


def test_a_plan_counts_each_kind_once_and_names_the_least_and_the_most(monkeypatch):
    counts, spec = Counts(), spec_of(SINGLE)
    assert counts.of(spec) == (predicted(spec), predicted(spec, FURTHER))
    monkeypatch.setattr("harness.cli._plan_images.per_scene", None)  # a second look would fail
    assert counts.of(replace(spec, seed=4)) == counts.of(spec)
    assert image_line([(1200, 600)]) == ("UNet images: 1,200 in the first trial on a data set and seed, 600 in each "
                                         "further one")
    assert "1,200 to 134,000 in the first" in image_line([(1200, 600), (134_000, 67_000)])
